import { MAX_SCRIPT_CHANNELS } from "./channelLocator.ts";
import type { ChannelLocator } from "./channelLocator.ts";
import type { FollowedChannel } from "./followedChannel.ts";
import type { LocatedChannel } from "../valkeyChannels.ts";

/** Delay before a failed request is repeated, in milliseconds. */
const RETRY_MS = 100;

export interface PlacementsParts {
  readonly locator: Pick<ChannelLocator, "locate">;
  /** @param continuesAt the greatest value of the requests. */
  readonly onLocated: (followed: FollowedChannel, located: LocatedChannel, continuesAt: number) => void;
}

/** The channels that need a position. Those of one partition share scripts. */
export class Placements {
  readonly #parts: PlacementsParts;
  /** By partition. The numbers are the offsets at which the entries continue. */
  readonly #waiting = new Map<number, Map<FollowedChannel, number>>();
  /** Partitions with a script under way. */
  readonly #busy = new Set<number>();
  /** Channels with a failed request, until the next attempt. */
  #failed: (readonly [followed: FollowedChannel, continuesAt: number])[] = [];
  #immediate: NodeJS.Immediate | undefined;
  #retryTimer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(parts: PlacementsParts) {
    this.#parts = parts;
  }

  /** @param continuesAt offset at which the entries continue after missing ones, if that is known. */
  request(followed: FollowedChannel, continuesAt = 0): void {
    if (this.#isClosed) return;
    const { partition } = followed.channel;
    let waiting = this.#waiting.get(partition);
    if (waiting === undefined) {
      waiting = new Map();
      this.#waiting.set(partition, waiting);
    }
    waiting.set(followed, Math.max(continuesAt, waiting.get(followed) ?? 0));
    this.#immediate ??= setImmediate(this.#locateAll);
  }

  close(): void {
    this.#isClosed = true;
    clearImmediate(this.#immediate);
    clearTimeout(this.#retryTimer);
    this.#waiting.clear();
  }

  readonly #locateAll = (): void => {
    this.#immediate = undefined;
    for (const partition of this.#waiting.keys()) {
      if (!this.#busy.has(partition)) void this.#locate(partition);
    }
  };

  async #locate(partition: number): Promise<void> {
    this.#busy.add(partition);
    for (;;) {
      const batch = this.#take(partition);
      if (batch.length === 0) break;
      const located = await this.#parts.locator.locate(
        partition,
        batch.map(([{ channel }]) => channel),
      );
      for (const [index, [followed, continuesAt]] of batch.entries()) {
        const answer = located[index];
        if (!isCurrent(followed)) continue;
        if (answer === undefined || answer instanceof Error) this.#retryLater(followed, continuesAt);
        else this.#parts.onLocated(followed, answer, continuesAt);
      }
    }
    this.#busy.delete(partition);
  }

  #take(partition: number): (readonly [FollowedChannel, number])[] {
    const batch: (readonly [FollowedChannel, number])[] = [];
    const waiting = this.#waiting.get(partition);
    if (waiting === undefined) return batch;
    for (const [followed, continuesAt] of waiting) {
      if (batch.length === MAX_SCRIPT_CHANNELS) return batch;
      waiting.delete(followed);
      if (isCurrent(followed)) batch.push([followed, continuesAt]);
    }
    this.#waiting.delete(partition);
    return batch;
  }

  #retryLater(followed: FollowedChannel, continuesAt: number): void {
    if (this.#isClosed) return;
    this.#failed.push([followed, continuesAt]);
    this.#retryTimer ??= setTimeout(() => {
      this.#retryTimer = undefined;
      for (const [failed, at] of this.#failed.splice(0)) this.request(failed, at);
    }, RETRY_MS);
  }
}

/** Whether the channel is still followed. */
export function isCurrent(followed: FollowedChannel): boolean {
  return followed.channel.followed === followed;
}
