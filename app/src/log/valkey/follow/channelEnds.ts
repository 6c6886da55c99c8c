import { setTimeout as delay } from "node:timers/promises";

import type { LogPosition } from "../../log.ts";
import type { ValkeyChannel } from "../valkeyChannel.ts";
import type { LocatedChannel } from "../valkeyChannels.ts";
import { MAX_SCRIPT_CHANNELS } from "./channelLocator.ts";
import type { ChannelLocator } from "./channelLocator.ts";

/** Delay before a failed request is repeated, in milliseconds. */
const RETRY_MS = 50;

export interface ValkeyChannelEndsParts {
  readonly locator: ChannelLocator;
  /** Called with each position that the server has returned. */
  readonly onLocated: (channel: ValkeyChannel, located: LocatedChannel) => void;
  /** Maximum time until a request has a result, in seconds. */
  readonly timeoutSeconds: number;
}

/** Calls for the ends of channels, by channel. */
type Waiting = Map<ValkeyChannel, PromiseWithResolvers<LogPosition>>;

/** Requests the ends of channels. All calls of one turn of the event loop share commands. */
export class ValkeyChannelEnds {
  readonly #parts: ValkeyChannelEndsParts;
  /** Calls of this turn. */
  #waiting: Waiting = new Map();
  #isClosed = false;

  constructor(parts: ValkeyChannelEndsParts) {
    this.#parts = parts;
  }

  /** Resolves with the end of a channel. Rejects if the server does not answer in time. */
  end(channel: ValkeyChannel): Promise<LogPosition> {
    if (this.#isClosed) return Promise.reject(new Error("The log is closed."));
    if (this.#waiting.size === 0) setImmediate(this.#send);
    let result = this.#waiting.get(channel);
    if (result === undefined) {
      result = Promise.withResolvers();
      this.#waiting.set(channel, result);
    }
    return result.promise;
  }

  /** Rejects further calls. Pending ones have a result within the timeout. */
  close(): void {
    this.#isClosed = true;
  }

  readonly #send = (): void => {
    const waiting = this.#waiting;
    this.#waiting = new Map();
    const { timeoutSeconds } = this.#parts;
    const timer = setTimeout(() => {
      const error = new Error(`Valkey has not answered for ${timeoutSeconds} seconds.`);
      for (const { reject } of waiting.values()) reject(error);
      waiting.clear();
    }, timeoutSeconds * 1000);
    void this.#request(waiting).then(() => {
      clearTimeout(timer);
    });
  };

  /** Repeats the request until each channel has a result. */
  async #request(waiting: Waiting): Promise<void> {
    while (waiting.size > 0) {
      const byPartition = Map.groupBy(waiting.keys(), ({ partition }) => partition);
      await Promise.all(
        [...byPartition].flatMap(([partition, channels]) =>
          batches(channels, MAX_SCRIPT_CHANNELS).map((batch) => this.#locate(waiting, partition, batch)),
        ),
      );
      if (waiting.size > 0) await delay(RETRY_MS);
    }
  }

  async #locate(waiting: Waiting, partition: number, channels: readonly ValkeyChannel[]): Promise<void> {
    const located = await this.#parts.locator.locate(partition, channels);
    for (const [index, channel] of channels.entries()) {
      const answer = located[index];
      if (answer === undefined || (answer instanceof Error && !this.#isClosed)) continue;
      if (answer instanceof Error) waiting.get(channel)?.reject(answer);
      else {
        this.#parts.onLocated(channel, answer);
        waiting.get(channel)?.resolve({ epoch: String(answer.epoch), next: answer.end });
      }
      waiting.delete(channel);
    }
  }
}

/** Splits a list into batches. */
export function batches<Item>(items: readonly Item[], size: number): readonly (readonly Item[])[] {
  const list: (readonly Item[])[] = [];
  for (let start = 0; start < items.length; start += size) list.push(items.slice(start, start + size));
  return list;
}
