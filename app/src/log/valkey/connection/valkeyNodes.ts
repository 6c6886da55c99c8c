import { setTimeout as delay } from "node:timers/promises";

import type { Logger } from "pino";

import { RecurringProblem } from "../../../metrics/recurringProblem.ts";
import { PARTITION_SLOTS, PARTITIONS } from "./partitions.ts";
import { SubscriberConnection } from "./subscriberConnection.ts";
import { connectToValkey, serverOf } from "./valkeyConnection.ts";
import type { CommandOutcome, ServerAddress, ValkeyAddress, ValkeyConnection } from "./valkeyConnection.ts";
import { ValkeyNode } from "./valkeyNode.ts";

/** Delay between two requests for the map of the slots, in milliseconds. */
const MAP_DELAY_MS = 100;

/** Maximum time until a node has returned the map, in milliseconds. */
const MAP_TIMEOUT_MS = 2000;

/** The slots of a primary as `CLUSTER SLOTS` returns them: first, last, primary, replicas. */
type SlotRange = readonly [
  first: number,
  last: number,
  primary: readonly [host: string | null, port: number, ...unknown[]],
  ...unknown[],
];

export interface ValkeyNodesOptions extends ValkeyAddress {
  /** Prefix of the names of the connections. */
  readonly name: string;
  /** Time after which a connection without replies is replaced, in milliseconds. */
  readonly answerTimeoutMs: number;
  /** The same for subscriptions. */
  readonly subscriberTimeoutMs: number;
  readonly logger: Logger;
  readonly onMessage: (key: Buffer, message: Buffer) => void;
  /** Called each time the commands for some partitions of a node can be sent again, or for the first time. */
  readonly onAvailable: (node: ValkeyNode, partitions: readonly number[]) => void;
  /** Called each time a node has no subscriptions, and can receive some. */
  readonly onSubscribable: (node: ValkeyNode) => void;
  /** Called with the partitions that another node has now. */
  readonly onMoved: (partitions: readonly number[]) => void;
}

/**
 * The primaries of a Valkey server, and the partitions of each. A server that is no cluster is one node with all partitions. The
 * client's own `Cluster` has no sharded subscriptions, and repeats commands.
 */
export class ValkeyNodes {
  readonly #options: ValkeyNodesOptions;
  readonly #nodes = new Map<string, ValkeyNode>();
  /** By partition. Empty until the map is known. */
  #ofPartition: readonly ValkeyNode[] = [];
  readonly #redirection: RecurringProblem;
  readonly #replacement: RecurringProblem;
  /** Partitions that may have another node. Their commands wait for the next map. */
  readonly #outdated = new Set<number>();
  #isOpen = false;
  #isRefreshing = false;
  #isRefreshDue = false;
  #isClosed = false;

  constructor(options: ValkeyNodesOptions) {
    const { logger } = options;
    this.#options = options;
    this.#redirection = new RecurringProblem({
      logger,
      begun: "Valkey redirects commands to other nodes",
      ended: "Valkey no longer redirects commands",
    });
    this.#replacement = new RecurringProblem({
      logger,
      begun: "a connection for subscriptions is replaced",
      ended: "no further connections for subscriptions are replaced",
    });
    const first = this.#connect(serverOf(options.url));
    if (!options.cluster) this.#ofPartition = Array.from({ length: PARTITIONS }, () => first);
  }

  get all(): Iterable<ValkeyNode> {
    return this.#nodes.values();
  }

  /** Returns the node of a partition; `undefined` if it is not known. */
  of(partition: number): ValkeyNode | undefined {
    return this.#ofPartition[partition];
  }

  /** Returns the node of a partition if commands for channels can be sent to it. */
  available(partition: number): ValkeyNode | undefined {
    return this.#isOpen ? this.connected(partition) : undefined;
  }

  /** Returns the node of a partition if it is connected, also before {@link open}. */
  connected(partition: number): ValkeyNode | undefined {
    const node = this.#ofPartition[partition];
    return node?.commands.isReady === true && !this.#outdated.has(partition) ? node : undefined;
  }

  /** Permits commands for channels. */
  open(): void {
    this.#isOpen = true;
    this.#notifyAvailable(this.#ofPartition.keys());
  }

  /** Returns the partitions of a node. */
  partitionsOf(node: ValkeyNode): readonly number[] {
    return this.#ofPartition.flatMap((other, partition) => (other === node ? [partition] : []));
  }

  close(): void {
    this.#isClosed = true;
    for (const node of this.#nodes.values()) node.close();
  }

  #connect(server: ServerAddress): ValkeyNode {
    const address = `${server.host}:${server.port}`;
    const { name, answerTimeoutMs, subscriberTimeoutMs, onMessage, onAvailable, onSubscribable, cluster } =
      this.#options;
    const node: ValkeyNode = new ValkeyNode({
      address,
      commands: connectToValkey({ ...this.#options, server, name, answerTimeoutMs }),
      subscriber: new SubscriberConnection({
        ...this.#options,
        server,
        name: `${name}-subscriber`,
        answerTimeoutMs: subscriberTimeoutMs,
        replacement: this.#replacement,
        onMessage,
      }),
      onRedirected: this.#onRedirected,
    });
    node.commands.onReady(() => {
      // A failover can have changed the map.
      if (cluster) void this.#refresh();
      onAvailable(node, this.partitionsOf(node));
    });
    node.commands.onLost(() => {
      if (cluster) void this.#refresh();
    });
    node.subscriber.onReady(() => {
      onSubscribable(node);
    });
    this.#nodes.set(address, node);
    return node;
  }

  readonly #onRedirected = (node: ValkeyNode, error: Error): boolean => {
    this.#redirection.note(error);
    // After a failover, the connection still leads to the former primary.
    const isReplica = error.message.startsWith("READONLY");
    if (isReplica) node.commands.drop();
    if (!this.#options.cluster) return isReplica;
    const slot = Number(/^MOVED (\d+) /.exec(error.message)?.[1] ?? NaN);
    const moved = PARTITION_SLOTS.indexOf(slot);
    for (const partition of moved < 0 ? this.partitionsOf(node) : [moved]) this.#outdated.add(partition);
    void this.#refresh();
    return true;
  };

  /** Requests the map until a node has returned it, and again if it was called meanwhile. */
  async #refresh(): Promise<void> {
    this.#isRefreshDue = true;
    if (this.#isRefreshing) return;
    this.#isRefreshing = true;
    while (this.#isRefreshDue && !this.#isClosed) {
      this.#isRefreshDue = false;
      const ranges = await this.#requestMap();
      if (ranges === undefined || !this.#apply(ranges)) this.#isRefreshDue = true;
      await delay(MAP_DELAY_MS);
    }
    this.#isRefreshing = false;
  }

  #notifyAvailable(partitions: Iterable<number>): void {
    for (const [node, ofNode] of Map.groupBy(partitions, (partition) => this.#ofPartition[partition])) {
      if (node?.commands.isReady === true) this.#options.onAvailable(node, ofNode);
    }
  }

  async #requestMap(): Promise<readonly SlotRange[] | undefined> {
    const ready = [...this.#nodes.values()].filter(({ commands }) => commands.isReady);
    const ranges = await firstMap(ready.map(({ commands }) => commands));
    if (ranges !== undefined) return ranges;
    // The hosts of all nodes can have changed. A connection to the first server is of use for this command only.
    const { name, logger } = this.#options;
    const seed = connectToValkey({
      ...this.#options,
      name: `${name}-map`,
      answerTimeoutMs: MAP_TIMEOUT_MS,
      logger: logger.child({}, { level: "silent" }),
    });
    try {
      await Promise.race([seed.waitUntilReady(), delay(MAP_TIMEOUT_MS)]);
      return await firstMap([seed]);
    } finally {
      seed.close();
    }
  }

  /** @returns whether the map has all partitions. */
  #apply(ranges: readonly SlotRange[]): boolean {
    const servers = PARTITION_SLOTS.map((slot) => {
      const [, , primary] = ranges.find(([first, last]) => first <= slot && slot <= last) ?? [];
      if (primary === undefined) return undefined;
      const [host, port] = primary;
      // A node without a host has that of the first server.
      return { host: host === null || host === "" ? serverOf(this.#options.url).host : host, port };
    });
    if (this.#isClosed || !servers.every((server) => server !== undefined)) return false;
    const before = this.#ofPartition;
    this.#ofPartition = servers.map(
      (server) => this.#nodes.get(`${server.host}:${server.port}`) ?? this.#connect(server),
    );
    for (const [address, node] of this.#nodes) {
      if (this.#ofPartition.includes(node)) continue;
      this.#nodes.delete(address);
      node.close();
    }
    const moved = this.#ofPartition.flatMap((node, partition) =>
      node === before[partition] ? [] : [partition],
    );
    const resumed = new Set([...moved, ...this.#outdated]);
    this.#outdated.clear();
    if (moved.length > 0) this.#options.onMoved(moved);
    this.#notifyAvailable(resumed);
    return true;
  }
}

/** Returns the map of the node that replies first. A node that never replies delays no other one. */
async function firstMap(connections: readonly ValkeyConnection[]): Promise<readonly SlotRange[] | undefined> {
  const timeout = delay(MAP_TIMEOUT_MS, undefined, { ref: false });
  return Promise.race([Promise.any(connections.map(requestSlots)), timeout]).catch(() => undefined);
}

async function requestSlots(connection: ValkeyConnection): Promise<readonly SlotRange[]> {
  const [outcome]: readonly CommandOutcome[] = await connection.send([["cluster", "slots"]]);
  if (outcome?.kind !== "answered") throw new Error("The node has not returned the map.");
  // The reply of CLUSTER SLOTS.
  return outcome.reply as readonly SlotRange[];
}
