/** Runs the Lua scripts of the Valkey driver in an interpreter. */
import { createHash } from "node:crypto";
import { LuaFactory } from "wasmoon";
import { CommandError, NULL_ARRAY, type Reply } from "./resp.ts";

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

/**
 * Compiles a script once, and runs it with its keys and arguments as globals. An error of `redis.call` is a table with `err`, which
 * the script itself receives as text, as in Valkey. The interpreter has Lua 5.4 and Valkey has 5.1, so a script must format numbers
 * that are no integers: `10 / 2 .. ""` is `5.0` or `5`.
 */
const RUNNER = `
local compiled, protected = {}, pcall
unpack = table.unpack
redis = {
  pcall = function(...) return call(...) end,
  call = function(...)
    local reply = call(...)
    if type(reply) == 'table' and reply.err then error(reply) end
    return reply
  end,
  error_reply = function(text) return {err = string.find(text, ' ') and text or 'ERR ' .. text} end,
  status_reply = function(text) return {ok = text} end,
}
function pcall(...)
  local results = table.pack(protected(...))
  local failure = results[2]
  if not results[1] and type(failure) == 'table' and failure.err then results[2] = failure.err end
  return table.unpack(results, 1, results.n)
end
function run(text, keys, arguments)
  KEYS, ARGV = keys, arguments
  if not compiled[text] then
    local script, problem = load(text, '=user_script')
    if not script then return {err = 'ERR Error compiling script (new function): ' .. problem} end
    compiled[text] = script
  end
  local isDone, result = protected(compiled[text])
  if isDone then return result end
  local message = type(result) == 'table' and result.err or 'ERR ' .. tostring(result)
  return {err = message .. ' script: on @user_script:1.'}
end`;

/**
 * The environment variables of the interpreter. By default, `_` is the path of this program, and the interpreter fails if that has a
 * character above U+00FF.
 */
const ENVIRONMENT = { _: "lua" };

export async function createScripts(): Promise<Scripts> {
  const lua = await new LuaFactory(undefined, ENVIRONMENT).createEngine({ enableProxy: false });
  const texts = new Map<string, string>();
  let running: CommandRunner | undefined;

  lua.global.set("call", (name: string, ...args: readonly (string | number)[]) => {
    try {
      const words = args.map((arg) => fromLua(String(arg)));
      return toLua(running?.(name.toLowerCase(), words) ?? null);
    } catch (error) {
      if (error instanceof CommandError) return { err: escape(error.message) };
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
    running = call;
    try {
      return replyOf(runner(text, words.slice(0, keys).map(escape), words.slice(keys).map(escape)));
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      throw new CommandError(`ERR Error running script: ${message}`);
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
  if (reply === null || reply === NULL_ARRAY) return false;
  if (typeof reply === "string") return escape(reply);
  if (typeof reply === "number") return reply;
  if ("status" in reply) return { ok: reply.status };
  return "error" in reply ? { err: escape(reply.error) } : reply.map(toLua);
}

function replyOf(value: unknown): Reply {
  if (typeof value === "string") return fromLua(value);
  if (typeof value === "number") return Math.trunc(value);
  if (Array.isArray(value)) return value.map(replyOf);
  if (value === true) return 1;
  if (typeof value !== "object" || value === null) return null;
  const table = value as Readonly<Record<string, unknown>>;
  if (typeof table["err"] === "string") return { error: fromLua(table["err"]) };
  if (typeof table["ok"] === "string") return { status: fromLua(table["ok"]) };
  // A list ends before its first nil.
  const list: Reply[] = [];
  for (let item = table[1]; item !== undefined; item = table[list.length + 1]) list.push(replyOf(item));
  return list;
}

/** The interpreter truncates a string at its first zero byte. */
const ESCAPED = { "\0": "\uE0000", "\uE000": "\uE0001" } as const;

function escape(text: string): string {
  return text.replaceAll("\uE000", ESCAPED["\uE000"]).replaceAll("\0", ESCAPED["\0"]);
}

function fromLua(text: string): string {
  return text.replaceAll(ESCAPED["\0"], "\0").replaceAll(ESCAPED["\uE000"], "\uE000");
}
