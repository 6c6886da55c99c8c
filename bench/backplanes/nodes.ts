/** One task's connections to the primaries of a cluster, and appends in batches. */
import { once } from "node:events";

import { Redis } from "iovalkey";

import { LOOPBACK } from "../../cli/loopback.ts";
import { partitionNodes } from "./cluster.ts";
import type { Cluster } from "./cluster.ts";

const RETRY_MS = 20;

export type Command = readonly [name: string, ...args: (string | number)[]];

/** Connects to a server. Unanswered commands fail when the connection is lost; it then reconnects. */
export async function connectTo(port: number): Promise<Redis> {
  const connection = new Redis({
    host: LOOPBACK,
    port,
    retryStrategy: () => RETRY_MS,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    enableOfflineQueue: false,
  });
  connection.on("error", () => undefined);
  await once(connection, "ready");
  return connection;
}

/** Sends commands in one write. @throws the first error, or if there is no connection. */
export async function send(connection: Redis, commands: readonly Command[]): Promise<readonly unknown[]> {
  if (connection.status !== "ready") throw new Error("The server is away.");
  // The client copies the commands, although its type is mutable.
  const results = (await connection.pipeline(commands as unknown as unknown[][]).exec()) ?? [];
  return results.map(([error, reply]) => {
    if (error !== null) throw error;
    return reply;
  });
}

/** A connection to each primary. */
export class Nodes {
  readonly #connections: readonly Redis[];
  readonly #ofPartition: readonly number[];

  private constructor(connections: readonly Redis[], ofPartition: readonly number[]) {
    this.#connections = connections;
    this.#ofPartition = ofPartition;
  }

  static async connect(cluster: Cluster): Promise<Nodes> {
    return new Nodes(await Promise.all(cluster.ports.map(connectTo)), partitionNodes(cluster));
  }

  get all(): readonly Redis[] {
    return this.#connections;
  }

  /** Returns the connection for the keys of a partition. */
  of(partition: number): Redis {
    const connection = this.#connections[this.#ofPartition[partition] ?? 0];
    if (connection === undefined) throw new RangeError(`There is no partition ${partition}.`);
    return connection;
  }

  close(): void {
    for (const connection of this.#connections) connection.disconnect();
  }
}

interface Pending<Item> {
  readonly item: Item;
  readonly result: PromiseWithResolvers<undefined>;
}

/** Sends items in batches: one batch is under way at a time, and later items form the next one. */
export class Batches<Item> {
  readonly #store: (items: readonly Item[]) => Promise<unknown>;
  #waiting: Pending<Item>[] = [];
  #isUnderWay = false;

  /** @param store stores all items of a batch, or rejects. */
  constructor(store: (items: readonly Item[]) => Promise<unknown>) {
    this.#store = store;
  }

  add(item: Item): Promise<undefined> {
    const result = Promise.withResolvers<undefined>();
    this.#waiting.push({ item, result });
    if (this.#waiting.length === 1 && !this.#isUnderWay) setImmediate(this.#send);
    return result.promise;
  }

  readonly #send = (): void => {
    if (this.#waiting.length === 0) return;
    const batch = this.#waiting;
    this.#waiting = [];
    this.#isUnderWay = true;
    this.#store(batch.map(({ item }) => item))
      .then(
        () => {
          for (const { result } of batch) result.resolve(undefined);
        },
        (error: unknown) => {
          for (const { result } of batch) result.reject(error);
        },
      )
      .finally(() => {
        this.#isUnderWay = false;
        this.#send();
      });
  };
}
