/**
 * Lua scripts. Valkey runs a script as one atomic step.
 *
 * Scripts call only commands on their own keys. ElastiCache Serverless refuses `TIME`, `XINFO`, `MEMORY` and similar commands
 * within scripts.
 */
import { createHash } from "node:crypto";

import type { ValkeyCommand } from "../connection/valkeyConnection.ts";

/** A Lua script. All its keys are in one hash slot. */
export interface ValkeyScript {
  readonly text: string;
  /** SHA-1 of the text, in hexadecimal. */
  readonly sha: string;
}

/** Keys and arguments of a call. */
export interface ScriptCall {
  readonly keys: readonly string[];
  readonly args: readonly (string | number)[];
}

/** @param name appears in the server's lists of scripts and slow commands. */
export function defineScript(name: string, body: string): ValkeyScript {
  const text = `-- websocket log: ${name}\n${body}`;
  return { text, sha: createHash("sha1").update(text).digest("hex") };
}

/** Returns the command that runs a script by its text. The server then caches the script. */
export function evalCommand({ text }: ValkeyScript, { keys, args }: ScriptCall): ValkeyCommand {
  return ["eval", text, keys.length, ...keys, ...args];
}

/** Returns the command that runs a script by its hash. It fails with {@link isUnknownScript} if the server lacks the script. */
export function evalshaCommand({ sha }: ValkeyScript, { keys, args }: ScriptCall): ValkeyCommand {
  return ["evalsha", sha, keys.length, ...keys, ...args];
}

/** Whether the server refused a hash because it does not have the script. */
export function isUnknownScript({ message }: Error): boolean {
  return message.startsWith("NOSCRIPT");
}
