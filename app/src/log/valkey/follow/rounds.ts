import { setTimeout as delay } from "node:timers/promises";

import type { Logger } from "pino";

import { RecurringProblem } from "../../../metrics/recurringProblem.ts";
import type { Retention } from "../../log.ts";
import { PARTITIONS } from "../connection/partitions.ts";
import type { ValkeyNodes } from "../connection/valkeyNodes.ts";
import { EXPIRY_MARGIN_MS } from "../valkeyChannel.ts";
import type { ValkeyChannels } from "../valkeyChannels.ts";
import type { FollowedChannel } from "./followedChannel.ts";
import type { Losses } from "./losses.ts";
import { isCurrent } from "./placements.ts";
import type { Subscriptions } from "./subscriptions.ts";
import type { Verification } from "./verification.ts";

/** Interval of the timer, in milliseconds. */
const TICK_MS = 250;

/** All channels are verified in parts, one after the other. */
const VERIFY_PARTS = 10;
const VERIFY_PART_MS = 1000;

/** Interval at which channels with new entries are proved: a share of the retention time, and its maximum in milliseconds. */
const PROVE_SHARE = 0.25;
const MAX_PROVE_MS = 30_000;

/** Interval at which the expiry of all channels is renewed, as a share of the expiry. */
const RENEW_SHARE = 1 / 3;

/** Interval of reads if the server refuses subscriptions, in milliseconds. */
const POLL_MS = 10;
/** Maximum share of the time in which polling occupies the server. */
const POLL_DUTY = 0.1;
/** Delay before refused subscriptions are tried again, in milliseconds. */
const SUBSCRIBE_AGAIN_MS = 60_000;

export interface RoundsParts {
  readonly nodes: ValkeyNodes;
  readonly channels: ValkeyChannels;
  readonly losses: Losses;
  readonly verification: Verification;
  readonly subscriptions: Subscriptions;
  /** Interval of PING on connections for subscriptions, in milliseconds. */
  readonly pingMs: number;
  /** Called if an entry of this task was not published to it in time. */
  readonly onOverdue: (followed: FollowedChannel) => void;
  /** Called if subscriptions have lost messages, with the number of partitions. */
  readonly onLost: (partitions: number) => void;
  readonly logger: Logger;
}

/** What a task does from time to time for all channels that it follows, with one timer. */
export class Rounds {
  readonly #parts: RoundsParts;
  readonly #timer: NodeJS.Timeout;
  readonly #problem: RecurringProblem;
  /** Channels with entries that are not proved, and those that were proved once: the server could still lose the entries. */
  #unproved = new Set<FollowedChannel>();
  #provedOnce = new Set<FollowedChannel>();
  /** Channels without new entries, with the time at which all of their entries have expired. */
  readonly #expiring = new Map<FollowedChannel, number>();
  #proveMs = MAX_PROVE_MS;
  #renewMs = Infinity;
  #provedAt = performance.now();
  #verifiedAt = performance.now();
  #pingedAt = performance.now();
  #part = 0;
  readonly #renewedAt = new Float64Array(PARTITIONS).fill(performance.now());
  #polledUntil = 0;
  #isPolling = false;
  #isClosed = false;

  constructor(parts: RoundsParts) {
    this.#parts = parts;
    this.#problem = new RecurringProblem({
      logger: parts.logger,
      begun: "Valkey does not permit publish and subscribe, and is polled",
      ended: "Valkey permits publish and subscribe again",
      quietMs: Infinity,
    });
    this.#timer = setInterval(this.#tick, TICK_MS);
  }

  /** Adapts the intervals to the shortest retention time. */
  noteRetention({ retainedSeconds }: Retention): void {
    this.#proveMs = Math.min(this.#proveMs, retainedSeconds * 1000 * PROVE_SHARE);
    this.#renewMs = Math.min(this.#renewMs, (retainedSeconds * 1000 + EXPIRY_MARGIN_MS) * RENEW_SHARE);
  }

  /** Notes that a channel has a new position or new entries, which must be proved. */
  noteEntries(followed: FollowedChannel): void {
    this.#unproved.add(followed);
  }

  /** Reads all channels at short intervals, because the server refuses to publish or to subscribe. */
  poll(error: Error): void {
    this.#problem.note(error);
    this.#polledUntil = performance.now() + SUBSCRIBE_AGAIN_MS;
    if (!this.#isPolling) void this.#poll();
  }

  close(): void {
    this.#isClosed = true;
    clearInterval(this.#timer);
  }

  readonly #tick = (): void => {
    const { nodes, channels, losses, pingMs, onOverdue } = this.#parts;
    const now = performance.now();
    for (const followed of losses.takeOverdue()) if (isCurrent(followed)) onOverdue(followed);
    const suspects = losses.takeSuspects();
    if (suspects.length > 0) void this.#confirmLosses(suspects);
    if (now >= this.#pingedAt + pingMs) {
      this.#pingedAt = now;
      for (const { subscriber } of nodes.all) subscriber.ping();
    }
    if (now >= this.#verifiedAt + VERIFY_PART_MS) {
      this.#verifiedAt = now;
      this.#verifyPart(now);
    }
    if (now >= this.#provedAt + this.#proveMs) {
      this.#provedAt = now;
      this.#proveNew(now);
    }
    channels.refreshSums();
  };

  /** Subscribes again in the partitions whose messages do not arrive, although the connections are not behind. */
  async #confirmLosses(suspects: readonly FollowedChannel[]): Promise<void> {
    const { nodes, losses, subscriptions, onLost } = this.#parts;
    const ofSuspects = new Set(suspects.flatMap(({ channel }) => nodes.of(channel.partition) ?? []));
    const confirmed = await Promise.all(Array.from(ofSuspects, ({ subscriber }) => subscriber.confirm()));
    const lost = losses.takeLost(suspects);
    // A connection that is replaced subscribes again anyway.
    if (lost.size === 0 || this.#isPolling || confirmed.includes(false)) return;
    onLost(lost.size);
    for (const partition of lost) subscriptions.subscribeAll(partition);
  }

  #verifyPart(now: number): void {
    const { channels, verification } = this.#parts;
    this.#part = (this.#part + 1) % VERIFY_PARTS;
    for (let partition = this.#part; partition < PARTITIONS; partition += VERIFY_PARTS) {
      channels.forgetUnused(partition);
      if (!this.#isPolling) void verification.verifyAll(partition);
      if (now < (this.#renewedAt[partition] ?? 0) + this.#renewMs) continue;
      this.#renewedAt[partition] = now;
      void verification.proveAll(partition);
    }
  }

  /** Proves new entries, then opens their channel once, and again when its entries have expired: opening a channel trims it. */
  #proveNew(now: number): void {
    const { verification } = this.#parts;
    for (const [partition, followed] of groupByPartition(this.#unproved)) {
      void verification.prove(partition, followed);
    }
    const opened: FollowedChannel[] = [];
    for (const [followed, expiredAt] of this.#expiring) {
      if (expiredAt > now && !this.#unproved.has(followed)) continue;
      this.#expiring.delete(followed);
      if (expiredAt <= now) opened.push(followed);
    }
    for (const followed of this.#provedOnce) {
      if (this.#unproved.has(followed)) continue;
      opened.push(followed);
      this.#expiring.set(followed, now + followed.channel.retention.retainedSeconds * 1000);
    }
    for (const [partition, followed] of groupByPartition(opened)) {
      void verification.open(partition, followed);
    }
    [this.#provedOnce, this.#unproved] = [this.#unproved, new Set()];
  }

  async #poll(): Promise<void> {
    this.#isPolling = true;
    while (!this.#isClosed && performance.now() < this.#polledUntil) {
      const since = performance.now();
      const partitions = Array.from({ length: PARTITIONS }, (_, partition) => partition);
      await Promise.all(partitions.map((partition) => this.#parts.verification.verifyAll(partition)));
      const tookMs = performance.now() - since;
      await delay(Math.max(POLL_MS, tookMs * (1 / POLL_DUTY - 1)));
    }
    this.#isPolling = false;
    if (this.#isClosed) return;
    for (let partition = 0; partition < PARTITIONS; partition++) {
      this.#parts.subscriptions.subscribeAll(partition);
    }
    // A refusal polls again, before the task could have logged the end.
    setTimeout(() => {
      if (!this.#isPolling) this.#problem.end();
    }, SUBSCRIBE_AGAIN_MS).unref();
  }
}

function groupByPartition(
  channels: Iterable<FollowedChannel>,
): ReadonlyMap<number, readonly FollowedChannel[]> {
  return Map.groupBy([...channels].filter(isCurrent), ({ channel }) => channel.partition);
}
