import { streamKey } from "../connection/partitions.ts";
import type { ValkeyNode } from "../connection/valkeyNode.ts";
import type { ValkeyNodes } from "../connection/valkeyNodes.ts";
import type { ValkeyChannels } from "../valkeyChannels.ts";
import { batches } from "./channelEnds.ts";
import type { FollowedChannel } from "./followedChannel.ts";

/** Maximum number of channels per command. ElastiCache Serverless allows 3,999 arguments. */
export const MAX_COMMAND_CHANNELS = 500;

/** Delay before a refused subscription is tried again, in milliseconds. */
const REFUSED_RETRY_MS = 100;

export interface SubscriptionsParts {
  readonly nodes: ValkeyNodes;
  readonly channels: ValkeyChannels;
  /** Called with channels of one partition whose messages arrive from now on. */
  readonly onSubscribed: (partition: number, followed: readonly FollowedChannel[]) => void;
  /** Called if the server does not permit subscriptions. `onSubscribed` follows for the same channels. */
  readonly onRefused: (error: Error) => void;
}

/** Subscribes to the messages of the followed channels, on the nodes of their partitions. */
export class Subscriptions {
  readonly #parts: SubscriptionsParts;
  /** Names of the channels that are followed or left since the last turn, by partition. */
  #changed = new Map<number, Set<string>>();
  #immediate: NodeJS.Immediate | undefined;
  #isClosed = false;

  constructor(parts: SubscriptionsParts) {
    this.#parts = parts;
  }

  /** Subscribes to a channel that is followed, or ends the subscription if it is not, at the end of the turn. */
  noteChanged(partition: number, name: string): void {
    const names = this.#changed.get(partition);
    if (names === undefined) this.#changed.set(partition, new Set([name]));
    else names.add(name);
    this.#immediate ??= setImmediate(this.#change);
  }

  /** Subscribes to all followed channels of a partition, whether or not there are subscriptions. */
  subscribeAll(partition: number): void {
    const node = this.#parts.nodes.of(partition);
    if (node === undefined) return;
    const followed: FollowedChannel[] = [];
    for (const channel of this.#parts.channels.of(partition)) {
      if (channel.followed !== undefined) followed.push(channel.followed);
    }
    this.#subscribe(node, partition, followed);
  }

  close(): void {
    this.#isClosed = true;
    clearImmediate(this.#immediate);
  }

  readonly #change = (): void => {
    this.#immediate = undefined;
    const changed = this.#changed;
    this.#changed = new Map();
    const { nodes, channels } = this.#parts;
    for (const [partition, names] of changed) {
      const node = nodes.of(partition);
      // It subscribes to all channels when it is ready.
      if (node?.subscriber.isReady !== true) continue;
      const followed: FollowedChannel[] = [];
      const leftKeys: string[] = [];
      for (const name of names) {
        const channel = channels.find(partition, name);
        if (channel?.followed !== undefined) followed.push(channel.followed);
        else leftKeys.push(streamKey(partition, name));
      }
      for (const keys of batches(leftKeys, MAX_COMMAND_CHANNELS)) node.subscriber.unsubscribe(keys);
      this.#subscribe(node, partition, followed);
    }
  };

  #subscribe(node: ValkeyNode, partition: number, followed: readonly FollowedChannel[]): void {
    if (!node.subscriber.isReady) return;
    for (const batch of batches(followed, MAX_COMMAND_CHANNELS)) {
      void this.#subscribeBatch(node, partition, batch);
    }
  }

  async #subscribeBatch(
    node: ValkeyNode,
    partition: number,
    batch: readonly FollowedChannel[],
  ): Promise<void> {
    const outcome = await node.subscriber.subscribe(batch.map(({ channel }) => channel.key));
    // After a lost connection, it subscribes to all channels when it is ready.
    if (this.#isClosed || outcome.kind === "unsent" || outcome.kind === "unknown") return;
    if (outcome.kind === "refused") {
      if (node.noteRedirection(outcome.error)) {
        setTimeout(() => {
          for (const { channel } of batch) this.noteChanged(partition, channel.name);
        }, REFUSED_RETRY_MS).unref();
        return;
      }
      this.#parts.onRefused(outcome.error);
    }
    this.#parts.onSubscribed(partition, batch);
  }
}
