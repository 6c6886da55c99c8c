/** Lua scripts, run as they are: what the driver asks Valkey to do in one step, it asks the stand-in in the same words. */
import { createHash } from "node:crypto";
import { LuaFactory } from "wasmoon";
import { CommandError, type Reply } from "./resp.ts";

/** Runs a command for a script. */
export type Call = (name: string, args: readonly string[]) => Reply;

export interface Scripts {
  /**
   * `EVAL` and `EVALSHA`.
   * @throws {CommandError} where the script is not known, is no Lua, or a command in it is refused.
   */
  run(name: string, args: readonly string[], call: Call): Reply;
  close(): void;
}

/** A script is compiled once. Its globals are its own keys and arguments. */
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
 * The interpreter's environment variables. Its own `_` is the path of this program, and it fails if that has a character
 * above U+00FF.
 */
const ENVIRONMENT = { _: "lua" };

export async function createScripts(): Promise<Scripts> {
  const lua = await new LuaFactory(undefined, ENVIRONMENT).createEngine({ enableProxy: false });
  const texts = new Map<string, string>();
  let running: { readonly call: Call; refusal?: CommandError } | undefined;

  lua.global.set("call", (name: string, ...args: readonly (string | number)[]) => {
    try {
      const words = args.map((arg) => fromLua(String(arg)));
      return toLua(running?.call(name.toLowerCase(), words) ?? null);
    } catch (error) {
      // The way through the interpreter would make it another one.
      if (running !== undefined && error instanceof CommandError) running.refusal = error;
      throw error;
    }
  });
  lua.doStringSync(RUNNER);
  // Defined by the runner.
  const runner = lua.global.get("run") as (
    text: string,
    keys: readonly string[],
    args: readonly string[],
  ) => unknown;

  function evaluate(text: string, [count, ...words]: readonly string[], call: Call): Reply {
    const keys = Number(count);
    running = { call };
    try {
      return replyOf(runner(text, words.slice(0, keys).map(escape), words.slice(keys).map(escape)));
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      throw running.refusal ?? new CommandError(`ERR Error running script: ${message}`);
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

/** As Lua scripts of Valkey see it: `false` where there is no value. */
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
  // An empty table says neither that it is a list nor that it is not.
  return typeof value === "object" && value !== null ? [] : null;
}

/** The way into the interpreter ends at the first zero. */
const ESCAPED = { "\0": "\uE0000", "\uE000": "\uE0001" } as const;

function escape(text: string): string {
  return text.replaceAll("\uE000", ESCAPED["\uE000"]).replaceAll("\0", ESCAPED["\0"]);
}

function fromLua(text: string): string {
  return text.replaceAll(ESCAPED["\0"], "\0").replaceAll(ESCAPED["\uE000"], "\uE000");
}
