/** Runs the Lua scripts of the Valkey driver in an interpreter. */
import { createHash } from "node:crypto";
import { LuaFactory } from "wasmoon";
import { CommandError, type Reply } from "./resp.ts";

/** Runs a command of a script. */
export type CommandRunner = (name: string, args: readonly string[]) => Reply;

export interface Scripts {
  /**
   * Runs `EVAL` or `EVALSHA`.
   * @throws {CommandError} if the script is unknown or invalid, or one of its commands is refused.
   */
  run(name: string, args: readonly string[], call: CommandRunner): Reply;
  close(): void;
}

/** Compiles a script once, and runs it with its keys and arguments as globals. */
const RUNNER = `
local compiled = {}
unpack = table.unpack -- Valkey's Lua is 5.1.
redis = { call = function(...) return call(...) end }
function run(text, keys, arguments)
  KEYS, ARGV = keys, arguments
  compiled[text] = compiled[text] or assert(load(text))
  return compiled[text]()
end`;

/**
 * The environment variables of the interpreter. By default, `_` is the path of this program, and the interpreter fails if that has a
 * character above U+00FF.
 */
const ENVIRONMENT = { _: "lua" };

export async function createScripts(): Promise<Scripts> {
  const lua = await new LuaFactory(undefined, ENVIRONMENT).createEngine({ enableProxy: false });
  const texts = new Map<string, string>();
  let running: { readonly call: CommandRunner; commandError?: CommandError } | undefined;

  lua.global.set("call", (name: string, ...args: readonly (string | number)[]) => {
    try {
      const words = args.map((arg) => fromLua(String(arg)));
      return toLua(running?.call(name.toLowerCase(), words) ?? null);
    } catch (error) {
      // The interpreter replaces errors, so the original one is stored.
      if (running !== undefined && error instanceof CommandError) running.commandError = error;
      throw error;
    }
  });
  lua.doStringSync(RUNNER);
  // RUNNER defines this function.
  const runner = lua.global.get("run") as (
    text: string,
    keys: readonly string[],
    args: readonly string[],
  ) => unknown;

  function evaluate(text: string, [count, ...words]: readonly string[], call: CommandRunner): Reply {
    const keys = Number(count);
    running = { call };
    try {
      return replyOf(runner(text, words.slice(0, keys).map(escape), words.slice(keys).map(escape)));
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      throw running.commandError ?? new CommandError(`ERR Error running script: ${message}`);
    } finally {
      running = undefined;
    }
  }

  return {
    run(name, [first = "", ...rest], call) {
      const text = name === "eval" ? first : texts.get(first.toLowerCase());
      if (text === undefined) throw new CommandError("NOSCRIPT No matching script.");
      texts.set(createHash("sha1").update(text).digest("hex"), text);
      return evaluate(text, rest, call);
    },
    close() {
      lua.global.close();
    },
  };
}

/** Converts a reply for Lua, which has `false` for a missing value. */
function toLua(reply: Reply): unknown {
  if (reply === null) return false;
  if (typeof reply === "string") return escape(reply);
  if (typeof reply === "number") return reply;
  return "status" in reply ? { ok: reply.status } : reply.map(toLua);
}

function replyOf(value: unknown): Reply {
  if (typeof value === "string") return fromLua(value);
  if (typeof value === "number") return Math.trunc(value);
  if (Array.isArray(value)) return value.map(replyOf);
  if (value === true) return 1;
  // An empty table may be a list or not.
  return typeof value === "object" && value !== null ? [] : null;
}

/** The interpreter truncates a string at its first zero byte. */
const ESCAPED = { "\0": "\uE0000", "\uE000": "\uE0001" } as const;

function escape(text: string): string {
  return text.replaceAll("\uE000", ESCAPED["\uE000"]).replaceAll("\0", ESCAPED["\0"]);
}

function fromLua(text: string): string {
  return text.replaceAll(ESCAPED["\0"], "\0").replaceAll(ESCAPED["\uE000"], "\uE000");
}
