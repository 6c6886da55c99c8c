/**
 * The commands on keys that the Valkey driver of the message log and the examples use. Other commands get the error for unknown
 * commands.
 * @see https://valkey.io/commands
 */
import { CommandError, NULL_ARRAY, OK, type Reply } from "./resp.ts";
import type { KeyStore } from "./store.ts";
import { type Entry, type EntryId, formatId, parseId, EntryStream } from "./stream.ts";

type Command = (store: KeyStore, args: readonly string[]) => Reply;

/** An XREAD, which may wait for new entries. */
export interface BlockingRead {
  /** `undefined` if the read does not wait; 0 without a limit. */
  readonly blockMs: number | undefined;
  readonly keys: readonly string[];
  /** @returns `NULL_ARRAY` if there are no new entries. */
  readonly read: () => Reply;
}

const MAX_ID = Number.MAX_SAFE_INTEGER;

const COMMANDS: Readonly<Record<string, Command>> = {
  del: (store, keys) => keys.filter((key) => store.delete(key)).length,
  exists: (store, keys) => keys.filter((key) => store.has(key)).length,
  pexpire: (store, [key, ms]) => Number(store.expire(required(key), integer(ms))),

  pttl: (store, [key]) => store.remainingMs(required(key)),

  get: (store, [key]) => store.text(required(key)) ?? null,
  set: (store, [key, value, ...args]) => {
    const words = new Arguments(args);
    const expiryMs = words.take("PX") ? integer(words.next()) : undefined;
    if (words.rest().length > 0) throw syntaxError();
    store.delete(required(key));
    store.set(required(key), required(value));
    if (expiryMs !== undefined) store.expire(required(key), expiryMs);
    return OK;
  },

  hdel: (store, [key, ...names]) => {
    const hash = store.hash(required(key));
    const deleted = names.filter((name) => hash?.delete(name));
    if (hash?.size === 0) store.delete(required(key));
    return deleted.length;
  },
  hget: (store, [key, name]) => store.hash(required(key))?.get(required(name)) ?? null,
  hgetall: (store, [key]) => [...(store.hash(required(key)) ?? [])].flat(),
  hincrby: (store, [key, name, by]) => {
    const before = store.hash(required(key))?.get(required(name)) ?? "0";
    const value = integer(by) + integer(before, "hash value is not an integer");
    setFields(store, required(key), [required(name), String(value)]);
    return value;
  },
  hlen: (store, [key]) => store.hash(required(key))?.size ?? 0,
  hmget: (store, [key, ...names]) => names.map((name) => store.hash(required(key))?.get(name) ?? null),
  hset: (store, [key, ...pairs]) => setFields(store, required(key), pairs),
  hsetnx: (store, [key, name, value]) => {
    if (store.hash(required(key))?.has(required(name)) === true) return 0;
    return setFields(store, required(key), [required(name), required(value)]);
  },

  xadd: (store, [key, ...args]) => {
    const words = new Arguments(args);
    const mayCreate = !words.take("NOMKSTREAM");
    const trim = parseTrim(words);
    const id = words.next();
    const existing = store.stream(required(key));
    if (existing === undefined && !mayCreate) return null;
    const stream = existing ?? new EntryStream();
    const added = stream.append(id, words.rest(), Date.now());
    if (existing === undefined) store.set(required(key), stream);
    trim?.(stream);
    return formatId(added);
  },
  xlen: (store, [key]) => store.stream(required(key))?.entries.length ?? 0,
  xrange: (store, [key, from, to, ...options]) =>
    entriesBetween(store, key, from, to).slice(0, countOf(options)).map(encodeEntry),
  xread: (store, args) => parseRead(store, args).read(),
  xrevrange: (store, [key, to, from, ...options]) =>
    entriesBetween(store, key, from, to).toReversed().slice(0, countOf(options)).map(encodeEntry),
  xtrim: (store, [key, ...args]) => {
    const stream = store.stream(required(key));
    const trim = parseTrim(new Arguments(args));
    return stream === undefined || trim === undefined ? 0 : trim(stream);
  },
};

/** Fixed replies to the commands that a client sends when it connects. */
export const CONNECTION_REPLIES: Readonly<Record<string, Reply>> = {
  client: OK,
  info: "redis_version:8.0.0\r\nloading:0\r\ncluster_enabled:1\r\n",
  ping: { status: "PONG" },
  readonly: OK,
};

/** Whether the command reads or writes keys. */
export function isDataCommand(name: string): boolean {
  return Object.hasOwn(COMMANDS, name);
}

/** @throws {CommandError} if the command is refused. */
export function execute(store: KeyStore, name: string, args: readonly string[]): Reply {
  const command = COMMANDS[name];
  if (command === undefined) {
    throw new CommandError(`ERR unknown command '${name}', which the stand-in for Valkey does not support`);
  }
  return command(store, args);
}

/** Parses the arguments of an XREAD. */
export function parseRead(store: KeyStore, args: readonly string[]): BlockingRead {
  const words = new Arguments(args);
  let count = Infinity;
  let blockMs: number | undefined;
  while (!words.take("STREAMS")) {
    if (words.take("COUNT")) count = integer(words.next());
    else if (words.take("BLOCK")) blockMs = integer(words.next());
    else throw syntaxError();
  }
  const rest = words.rest();
  if (rest.length === 0 || rest.length % 2 > 0)
    throw new CommandError("ERR Unbalanced 'xread' list of streams");
  const keys = rest.slice(0, rest.length / 2);
  const starts = keys.map((key, n) => {
    const text = required(rest[keys.length + n]);
    const end = store.stream(key)?.last;
    return { key, id: text === "$" ? (end ?? parseId("0", 0)) : parseId(text, 0) };
  });
  return {
    blockMs,
    keys,
    read: () => {
      const found = starts.flatMap(({ key, id }) => {
        const entries = store.stream(key)?.after(id, count) ?? [];
        return entries.length === 0 ? [] : [[key, entries.map(encodeEntry)]];
      });
      return found.length === 0 ? NULL_ARRAY : found;
    },
  };
}

/** @returns the number of fields that are new. */
function setFields(store: KeyStore, key: string, pairs: readonly string[]): number {
  const hash = store.hash(key) ?? new Map<string, string>();
  const before = hash.size;
  for (let n = 0; n < pairs.length; n += 2) hash.set(required(pairs[n]), required(pairs[n + 1]));
  if (before === 0) store.set(key, hash);
  return hash.size - before;
}

function entriesBetween(
  store: KeyStore,
  key: string | undefined,
  from: string | undefined,
  to: string | undefined,
): readonly Entry[] {
  const stream = store.stream(required(key));
  const start = required(from);
  const end = bound(required(to), MAX_ID);
  if (start.startsWith("(")) return stream?.between(parseId(start.slice(1), 0), end) ?? [];
  return stream?.range(bound(start, 0), end) ?? [];
}

function countOf(options: readonly string[]): number {
  const words = new Arguments(options);
  return words.take("COUNT") ? integer(words.next()) : Infinity;
}

function bound(text: string, missing: number): EntryId {
  if (text === "-") return { first: 0, second: 0 };
  if (text === "+") return { first: MAX_ID, second: MAX_ID };
  return parseId(text, missing);
}

/** Parses `MAXLEN n` or `MINID id`, with an optional `=` or `~`. */
function parseTrim(words: Arguments): ((stream: EntryStream) => number) | undefined {
  if (words.take("MAXLEN")) {
    const approximately = words.take("~");
    words.take("=");
    const count = integer(words.next());
    return (stream) => stream.keepNewest(count, { approximately });
  }
  if (words.take("MINID")) {
    if (!words.take("~")) words.take("=");
    const id = parseId(words.next(), 0);
    return (stream) => stream.keepFrom(id);
  }
  return undefined;
}

function encodeEntry({ id, fields }: Entry): Reply {
  return [formatId(id), fields];
}

/** Arguments, which are read from left to right. */
class Arguments {
  readonly #words: readonly string[];
  #at = 0;

  constructor(words: readonly string[]) {
    this.#words = words;
  }

  /** Consumes the next argument if it is this word, in any case. @returns whether it is. */
  take(word: string): boolean {
    const found = this.#words[this.#at]?.toUpperCase() === word;
    if (found) this.#at += 1;
    return found;
  }

  next(): string {
    return required(this.#words[this.#at++]);
  }

  rest(): readonly string[] {
    return this.#words.slice(this.#at);
  }
}

function required(argument: string | undefined): string {
  if (argument === undefined) throw new CommandError("ERR wrong number of arguments");
  return argument;
}

function integer(text: string | undefined, problem = "value is not an integer or out of range"): number {
  if (!/^-?\d+$/.test(required(text))) throw new CommandError(`ERR ${problem}`);
  return Number(text);
}

function syntaxError(): CommandError {
  return new CommandError("ERR syntax error");
}
