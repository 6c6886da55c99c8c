/**
 * The design of decision 0012: a stream per channel, all in one hash slot. Each reader reads up to 50 channels with one blocking
 * command, which contains the names of all of them. A task has up to 40 readers.
 */
import type { Redis } from "iovalkey";

import { BLOCK_MS, EPOCH, MAX_ENTRIES, MAX_READ_ENTRIES, offsetOf } from "../backplane.ts";
import type { Backplane, BackplaneTask, Design } from "../backplane.ts";
import { FollowedChannels, refreshScript } from "../followed.ts";
import type { Streams } from "../followed.ts";
import { Batches, connectTo, Nodes, send } from "../nodes.ts";
import type { Command } from "../nodes.ts";
import { slotOf } from "../partitions.ts";

const TAG = "websocket";
const CHANNELS_PER_READER = 50;
const MAX_READERS = 40;
/** Maximum number of further reads before entries are delivered. */
const MAX_DRAIN_READS = 4;
const RETRY_MS = 20;

type OnStream = (key: string, first: number, payloads: readonly string[]) => void;

export const groups: Design = {
  title: "blocking reads of groups of 50 channels, one hash slot",
  keyOf,
  commands: ["xadd", "xread", "evalsha", "xrange"],
  open: openGroups,
};

async function openGroups({ cluster, name, onEntries }: BackplaneTask): Promise<Backplane> {
  const nodes = await Nodes.connect(cluster);
  const node = cluster.nodeOf(slotOf(TAG));
  const [commands, port] = [nodes.all[node], cluster.ports[node]];
  if (commands === undefined || port === undefined) throw new RangeError("The cluster has no nodes.");
  await refreshScript.load(nodes.all);
  const followed = new FollowedChannels({
    onEntries,
    connectionOf: () => commands,
    keyOf,
    partitionOf: () => 0,
  });
  commands.on("ready", () => void followed.verify().catch(() => undefined));
  const appends = new Batches<Command>((batch) => send(commands, batch));
  const readers: Reader[] = [];
  const readerOf = new Map<string, Reader>();
  const findRoom = async (): Promise<Reader> => {
    const withRoom = readers.find(({ size }) => size < CHANNELS_PER_READER);
    if (withRoom !== undefined) return withRoom;
    if (readers.length === MAX_READERS) return readers.reduce((a, b) => (b.size < a.size ? b : a));
    const wakeKey = `{${TAG}}:wake:${name}:${readers.length}`;
    const reader = new Reader(await connectTo(port), wakeKey, (...stream) => {
      followed.push(...stream);
    });
    readers.push(reader);
    return reader;
  };
  const wake = (changed: ReadonlySet<Reader>): Promise<unknown> =>
    send(
      commands,
      [...changed].map(({ wakeKey }) => ["xadd", wakeKey, "MAXLEN", 1, "*", "", ""]),
    );

  return {
    async append(channel, payload) {
      await appends.add(["xadd", keyOf(channel), "MAXLEN", "~", MAX_ENTRIES, `${EPOCH}-*`, "", payload]);
    },
    async follow(channels) {
      await followed.refresh(followed.add(channels));
      const changed = new Set<Reader>();
      for (const channel of channels) {
        const reader = await findRoom();
        reader.add(keyOf(channel), followed.lastId(keyOf(channel)));
        readerOf.set(channel, reader);
        changed.add(reader);
      }
      await wake(changed);
    },
    async unfollow(channels) {
      followed.remove(channels);
      for (const channel of channels) {
        readerOf.get(channel)?.remove(keyOf(channel));
        readerOf.delete(channel);
      }
      await Promise.resolve();
    },
    verify: () => followed.verify(),
    refresh: () => followed.refresh(),
    close() {
      nodes.close();
      for (const reader of readers) reader.close();
    },
  };
}

/** Reads a group of channels. */
class Reader {
  readonly wakeKey: string;
  readonly #connection: Redis;
  readonly #onStream: OnStream;
  /** Ids of the last entries by key. */
  readonly #last = new Map<string, string>();
  #isClosed = false;

  constructor(connection: Redis, wakeKey: string, onStream: OnStream) {
    this.#connection = connection;
    this.wakeKey = wakeKey;
    this.#onStream = onStream;
    this.#last.set(wakeKey, "0-0");
    void this.#run();
  }

  get size(): number {
    return this.#last.size - 1;
  }

  add(key: string, lastId: string): void {
    this.#last.set(key, lastId);
  }

  remove(key: string): void {
    this.#last.delete(key);
  }

  close(): void {
    this.#isClosed = true;
    this.#connection.disconnect();
  }

  async #run(): Promise<void> {
    while (!this.#isClosed) {
      try {
        let read = this.#take(await this.#read([...this.#last.keys()], "BLOCK", BLOCK_MS));
        // A blocking read ends at the first entry of a batch. The others are available a moment later.
        for (let further = 0; further < MAX_DRAIN_READS && read.length > 0; further++) {
          read = this.#take(await this.#read(read));
        }
      } catch {
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }

  async #read(keys: readonly string[], ...options: readonly (string | number)[]): Promise<Streams> {
    const ids = keys.map((key) => this.#last.get(key) ?? "0-0");
    const [reply] = await send(this.#connection, [
      ["xread", ...options, "COUNT", MAX_READ_ENTRIES, "STREAMS", ...keys, ...ids],
    ]);
    return (reply as Streams | null) ?? [];
  }

  /** @returns the keys of the channels that had entries. */
  #take(streams: Streams): readonly string[] {
    for (const [key, entries] of streams) {
      const [first] = entries;
      const last = entries.at(-1);
      if (first === undefined || last === undefined || !this.#last.has(key)) continue;
      this.#last.set(key, last[0]);
      if (key === this.wakeKey) continue;
      this.#onStream(
        key,
        offsetOf(first[0]),
        entries.map(([, [, payload = ""]]) => payload),
      );
    }
    return streams.map(([key]) => key).filter((key) => key !== this.wakeKey);
  }
}

function keyOf(channel: string): string {
  return `{${TAG}}:channel:${channel}`;
}
