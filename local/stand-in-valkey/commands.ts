/**
 * The commands of the message log's Valkey driver, on a store: what it does not use is not here, and is refused as Valkey
 * refuses a command that it does not know. See https://valkey.io/commands for each.
 */
import { CommandError, OK, type Reply } from "./resp.ts";
import type { Store } from "./store.ts";
import { type Entry, type EntryId, formatId, parseId, Stream } from "./stream.ts";

type Command = (store: Store, args: readonly string[]) => Reply;

/** A read that waits where it finds nothing, and what it would find next. */
export interface BlockingRead {
  /** `undefined` where it does not wait; 0 is for ever. */
  readonly blockMs: number | undefined;
  readonly keys: readonly string[];
  /** @returns `null` where there is nothing new. */
  readonly read: () => Reply;
}

const LARGEST_ID = Number.MAX_SAFE_INTEGER;

const COMMANDS: Readonly<Record<string, Command>> = {
  del: (store, keys) => keys.filter((key) => store.delete(key)).length,
  exists: (store, keys) => keys.filter((key) => store.has(key)).length,
  pexpire: (store, [key, ms]) => Number(store.expire(given(key), integer(ms))),

  hlen: (store, [key]) => store.hash(given(key))?.size ?? 0,
  hmget: (store, [key, ...names]) => names.map((name) => store.hash(given(key))?.get(name) ?? null),
  hset: (store, [key, ...pairs]) => {
    const hash = store.hash(given(key)) ?? new Map<string, string>();
    const before = hash.size;
    for (let n = 0; n < pairs.length; n += 2) hash.set(given(pairs[n]), given(pairs[n + 1]));
    if (before === 0) store.set(given(key), hash);
    return hash.size - before;
  },

  xadd: (store, [key, ...args]) => {
    const words = new Words(args);
    const mayCreate = !words.take("NOMKSTREAM");
    const trim = trimming(words);
    const id = words.next();
    const existing = store.stream(given(key));
    if (existing === undefined && !mayCreate) return null;
    const stream = existing ?? new Stream();
    const added = stream.append(id, words.rest(), Date.now());
    if (existing === undefined) store.set(given(key), stream);
    trim?.(stream);
    return formatId(added);
  },
  xrange: (store, [key, from, to, ...options]) =>
    entriesBetween(store, key, from, to).slice(0, countOf(options)).map(shown),
  xread: (store, args) => readerOf(store, args).read(),
  xrevrange: (store, [key, to, from, ...options]) =>
    entriesBetween(store, key, from, to).toReversed().slice(0, countOf(options)).map(shown),
  xtrim: (store, [key, ...args]) => {
    const stream = store.stream(given(key));
    const trim = trimming(new Words(args));
    return stream === undefined || trim === undefined ? 0 : trim(stream);
  },
};

/** What is answered alike whatever is stored: what a client asks while it connects. */
export const GREETINGS: Readonly<Record<string, Reply>> = {
  client: OK,
  info: "redis_version:8.0.0\r\nloading:0\r\ncluster_enabled:1\r\n",
  readonly: OK,
};

/** Whether it reads or writes keys. */
export function isDataCommand(name: string): boolean {
  return Object.hasOwn(COMMANDS, name);
}

/** @throws {CommandError} where the command is refused. */
export function execute(store: Store, name: string, args: readonly string[]): Reply {
  const command = COMMANDS[name];
  if (command === undefined) {
    throw new CommandError(`ERR unknown command '${name}', which this stand-in for Valkey does not play`);
  }
  return command(store, args);
}

/** What an XREAD reads, and how long it waits. */
export function readerOf(store: Store, args: readonly string[]): BlockingRead {
  const words = new Words(args);
  let count = Infinity;
  let blockMs: number | undefined;
  while (!words.take("STREAMS")) {
    if (words.take("COUNT")) count = integer(words.next());
    else if (words.take("BLOCK")) blockMs = integer(words.next());
    else throw syntaxError();
  }
  const rest = words.rest();
  const keys = rest.slice(0, rest.length / 2);
  const places = keys.map((key, n) => {
    const text = given(rest[keys.length + n]);
    const end = store.stream(key)?.last;
    return { key, id: text === "$" ? (end ?? parseId("0", 0)) : parseId(text, 0) };
  });
  return {
    blockMs,
    keys,
    read: () => {
      const found = places.flatMap(({ key, id }) => {
        const entries = store.stream(key)?.after(id, count) ?? [];
        return entries.length === 0 ? [] : [[key, entries.map(shown)]];
      });
      return found.length === 0 ? null : found;
    },
  };
}

function entriesBetween(
  store: Store,
  key: string | undefined,
  from: string | undefined,
  to: string | undefined,
): readonly Entry[] {
  return store.stream(given(key))?.range(bound(given(from), 0), bound(given(to), LARGEST_ID)) ?? [];
}

function countOf(options: readonly string[]): number {
  const words = new Words(options);
  return words.take("COUNT") ? integer(words.next()) : Infinity;
}

function bound(text: string, missing: number): EntryId {
  if (text === "-") return { first: 0, second: 0 };
  if (text === "+") return { first: LARGEST_ID, second: LARGEST_ID };
  return parseId(text, missing);
}

/** `MAXLEN n` or `MINID id`, with `=` or `~` between. */
function trimming(words: Words): ((stream: Stream) => number) | undefined {
  if (words.take("MAXLEN")) {
    const about = words.take("~");
    words.take("=");
    const count = integer(words.next());
    return (stream) => stream.keepNewest(count, { about });
  }
  if (words.take("MINID")) {
    if (!words.take("~")) words.take("=");
    const id = parseId(words.next(), 0);
    return (stream) => stream.keepFrom(id);
  }
  return undefined;
}

function shown({ id, fields }: Entry): Reply {
  return [formatId(id), fields];
}

/** Arguments, read from the left. */
class Words {
  readonly #words: readonly string[];
  #at = 0;

  constructor(words: readonly string[]) {
    this.#words = words;
  }

  /** Whether the next one is this, in any case; then it is taken. */
  take(word: string): boolean {
    const found = this.#words[this.#at]?.toUpperCase() === word;
    if (found) this.#at += 1;
    return found;
  }

  next(): string {
    return given(this.#words[this.#at++]);
  }

  rest(): readonly string[] {
    return this.#words.slice(this.#at);
  }
}

function given(argument: string | undefined): string {
  if (argument === undefined) throw new CommandError("ERR wrong number of arguments");
  return argument;
}

function integer(text: string | undefined): number {
  const value = /^-?\d+$/.test(given(text)) ? Number(text) : NaN;
  if (Number.isNaN(value)) throw new CommandError("ERR value is not an integer or out of range");
  return value;
}

function syntaxError(): CommandError {
  return new CommandError("ERR syntax error");
}
