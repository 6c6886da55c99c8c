import type { Logger } from "pino";

import { RecurringProblem } from "../../../metrics/recurringProblem.ts";
import type { LogReader } from "../../log.ts";
import { parseStreamKey } from "../connection/partitions.ts";
import type { ValkeyNode } from "../connection/valkeyNode.ts";
import type { ValkeyNodes } from "../connection/valkeyNodes.ts";
import { parsePublished } from "../publishedMessage.ts";
import type { ValkeyChannel } from "../valkeyChannel.ts";
import type { LocatedChannel, ValkeyChannels } from "../valkeyChannels.ts";
import type { ChannelLocator } from "./channelLocator.ts";
import { Deliveries } from "./deliveries.ts";
import { FollowedChannel } from "./followedChannel.ts";
import { Losses } from "./losses.ts";
import { isCurrent, Placements } from "./placements.ts";
import { Rounds } from "./rounds.ts";
import { StreamReads } from "./streamReads.ts";
import { Subscriptions } from "./subscriptions.ts";
import { Verification } from "./verification.ts";

/** Bytes that are read before the stream is trimmed, as a share of what the log retains. */
const TRIM_SHARE = 0.25;

/** Delay before a channel that the server refuses to read is located again, in milliseconds. */
const REFUSED_RETRY_MS = 100;

export interface FollowerParts {
  readonly nodes: ValkeyNodes;
  readonly channels: ValkeyChannels;
  readonly locator: ChannelLocator;
  /** Interval of PING on connections for subscriptions, in milliseconds. */
  readonly pingMs: number;
  readonly logger: Logger;
}

/**
 * Follows channels: subscribes to their messages, gives them positions, and reads their streams after any doubt whether all
 * messages have arrived.
 */
export class Follower {
  readonly #parts: FollowerParts;
  readonly #deliveries = new Deliveries((followed) => {
    this.#onDelivered(followed);
  });
  readonly #losses = new Losses();
  readonly #subscriptions: Subscriptions;
  readonly #placements: Placements;
  readonly #reads: StreamReads;
  readonly #verification: Verification;
  readonly #rounds: Rounds;
  readonly #loss: RecurringProblem;

  constructor(parts: FollowerParts) {
    const { nodes, channels, locator, logger } = parts;
    this.#parts = parts;
    this.#loss = new RecurringProblem({
      logger,
      begun: "messages of Valkey were lost, and were read from the log",
      ended: "no further messages of Valkey were lost",
    });
    this.#verification = new Verification({
      nodes,
      channels,
      logger,
      onFound: this.#onFound,
      onRefused: this.#onRefused,
    });
    this.#placements = new Placements({
      locator,
      onLocated: (followed, located, continuesAt) => {
        this.#place(followed, located, continuesAt);
      },
    });
    this.#subscriptions = new Subscriptions({
      nodes,
      channels,
      onSubscribed: (partition, followed) => {
        this.#onSubscribed(partition, followed);
      },
      onRefused: (error) => {
        this.#rounds.poll(error);
      },
    });
    this.#reads = new StreamReads({
      nodes,
      deliveries: this.#deliveries,
      onMissing: (followed, continuesAt) => {
        followed.displace();
        this.#placements.request(followed, continuesAt);
      },
      onRefused: this.#onRefused,
      onCaughtUp: (followed) => {
        this.#rounds.noteEntries(followed);
        this.#continue(followed);
      },
    });
    this.#rounds = new Rounds({
      ...parts,
      losses: this.#losses,
      verification: this.#verification,
      subscriptions: this.#subscriptions,
      onOverdue: (followed) => {
        const { epoch, offset } = followed.channel;
        this.#onFound(followed, epoch, offset + 1);
      },
      onLost: (partitions) => {
        this.#loss.note(`in ${partitions} partitions`);
      },
    });
  }

  subscribe(channel: ValkeyChannel, reader: LogReader): void {
    const followed = (channel.followed ??= this.#follow(channel));
    followed.add(reader);
    // Before the first start, the channel is located when its subscription is confirmed.
    if (followed.hasStarted) this.#placements.request(followed);
  }

  /** Ends a subscription. Idempotent. */
  unsubscribe(channel: ValkeyChannel, reader: LogReader): void {
    const { followed } = channel;
    followed?.remove(reader);
    if (followed?.hasReaders !== false) return;
    channel.followed = undefined;
    this.#subscriptions.noteChanged(channel.partition, channel.name);
  }

  /** Takes a published message. */
  readonly onMessage = (key: Buffer, message: Buffer): void => {
    const channelKey = parseStreamKey(key);
    if (channelKey === undefined) return;
    const { partition, name } = channelKey;
    const followed = this.#parts.channels.find(partition, name)?.followed;
    const published = followed === undefined ? undefined : parsePublished(message);
    if (followed === undefined || published === undefined) return;
    const { epoch, entries } = published;
    const first = entries[0]?.offset ?? 0;
    const end = first + entries.length;
    const known = followed.check(epoch, first, end);
    followed.channel.noteStored(epoch, end - 1, published.name);
    this.#losses.noteMessage(followed, end);
    if (known >= 0) {
      this.#rounds.noteEntries(followed);
      this.#deliveries.offer(followed, entries, known);
    }
    this.#continue(followed);
  };

  /** Takes over what another part has found: if the channel has another epoch, its readers must continue there. */
  noteLocated(channel: ValkeyChannel, located: LocatedChannel): void {
    channel.adopt(located.epoch);
    const { followed } = channel;
    if (followed?.hasStarted !== true || followed.isPlaced) return;
    this.#place(followed, located);
  }

  /** Notes that this task has appended an entry. */
  noteAppended({ followed }: ValkeyChannel): void {
    if (followed !== undefined) this.#losses.noteAppended(followed);
  }

  /** Commands for these partitions can be sent again. Messages and entries may have been lost meanwhile. */
  noteAvailable(partitions: readonly number[]): void {
    for (const partition of partitions) {
      void this.#verification.verifyAll(partition);
      void this.#verification.proveAll(partition);
    }
  }

  /** A node has no subscriptions, and can receive some. */
  noteSubscribable(node: ValkeyNode): void {
    for (const partition of this.#parts.nodes.partitionsOf(node)) this.#subscriptions.subscribeAll(partition);
  }

  /** Other nodes have these partitions now. */
  noteMoved(partitions: readonly number[]): void {
    for (const partition of partitions) this.#subscriptions.subscribeAll(partition);
  }

  /** Polls, because messages of this task are not published. */
  poll(error: Error): void {
    this.#rounds.poll(error);
  }

  /** Ends all subscriptions at once. */
  close(): void {
    this.#rounds.close();
    this.#reads.close();
    this.#placements.close();
    this.#subscriptions.close();
    this.#deliveries.close();
  }

  #follow(channel: ValkeyChannel): FollowedChannel {
    this.#rounds.noteRetention(channel.retention);
    this.#subscriptions.noteChanged(channel.partition, channel.name);
    return new FollowedChannel(channel);
  }

  #onSubscribed(partition: number, followed: readonly FollowedChannel[]): void {
    const current = followed.filter(isCurrent);
    const placed = current.filter(({ hasStarted }) => hasStarted);
    for (const each of current) if (!each.hasStarted) this.#placements.request(each);
    if (placed.length === 0) return;
    void this.#verification.verify(partition, placed);
    void this.#verification.prove(partition, placed);
  }

  #place(followed: FollowedChannel, located: LocatedChannel, continuesAt = 0): void {
    const isFirst = !followed.hasStarted;
    // What was read before belongs to the former position.
    this.#deliveries.deliver(followed);
    if (!followed.place(located, continuesAt)) this.#placements.request(followed, continuesAt);
    else {
      // The channel is trimmed when these entries have expired.
      if (isFirst && located.first < located.end) this.#rounds.noteEntries(followed);
      this.#continue(followed);
    }
  }

  /** Does what the state of a channel needs next. */
  #continue(followed: FollowedChannel): void {
    if (!isCurrent(followed)) return;
    if (followed.isBehind) this.#reads.catchUp(followed);
    else if (!followed.isPlaced && followed.hasStarted) this.#placements.request(followed);
    else if (followed.hasJoining && !this.#deliveries.has(followed)) followed.startJoining();
  }

  #onDelivered(followed: FollowedChannel): void {
    const { channel } = followed;
    if (followed.untrimmedBytes >= channel.retention.retainedBytes * TRIM_SHARE) {
      followed.noteTrimmed();
      const node = this.#parts.nodes.available(channel.partition);
      if (node !== undefined) void this.#parts.channels.open(node, [{ channel }]);
    }
    if (followed.hasJoining) this.#continue(followed);
  }

  /** Notes entries before `end` that no message has brought so far. */
  readonly #onFound = (followed: FollowedChannel, epoch: number, end: number): void => {
    // Otherwise their message has arrived, and they are being read.
    const isNew = epoch !== followed.channel.epoch || end > followed.end;
    if (followed.noteEnd(epoch, end) && isNew) this.#losses.noteFound(followed, end);
    this.#continue(followed);
  };

  readonly #onRefused = (followed: FollowedChannel, error: Error): void => {
    this.#parts.channels.refusal.note(error);
    followed.displace();
    setTimeout(() => {
      this.#continue(followed);
    }, REFUSED_RETRY_MS).unref();
  };
}
