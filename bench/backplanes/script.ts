/** Lua scripts that the servers have loaded. */
import { createHash } from "node:crypto";

import type { Redis } from "iovalkey";

import type { Command } from "./nodes.ts";

export interface Script {
  /** Loads the script into the servers. */
  load(connections: readonly Redis[]): Promise<void>;
  run(keys: readonly string[], args: readonly (string | number)[]): Command;
}

export function defineScript(text: string): Script {
  const sha = createHash("sha1").update(text).digest("hex");
  return {
    async load(connections) {
      await Promise.all(connections.map((connection) => connection.script("LOAD", text)));
    },
    run: (keys, args) => ["evalsha", sha, keys.length, ...keys, ...args],
  };
}
