import { setTimeout as delay } from "node:timers/promises";

import type { ValkeyChannel } from "./valkeyChannel.ts";
import type { OpenedChannel, ValkeyChannels } from "./valkeyChannels.ts";
import type { ValkeyConnection } from "./valkeyConnection.ts";

/** Delay before a failed request is repeated, in milliseconds. */
const RETRY_MS = 50;

export interface ValkeyChannelEndsParts {
  readonly connection: ValkeyConnection;
  readonly channels: ValkeyChannels;
  /** Maximum time until a request has a result, in seconds. */
  readonly timeoutSeconds: number;
  /** Called for each opened channel, which may have a new epoch. */
  readonly onOpened: (channel: ValkeyChannel, opened: OpenedChannel) => void;
}

/** Requests the ends of channels. All calls of one turn of the event loop share one request per channel. */
export class ValkeyChannelEnds {
  readonly #parts: ValkeyChannelEndsParts;
  /** Calls of this turn. */
  #waiting = new Map<ValkeyChannel, PromiseWithResolvers<OpenedChannel>>();
  #isClosed = false;

  constructor(parts: ValkeyChannelEndsParts) {
    this.#parts = parts;
  }

  /** Resolves with the state of a channel. Rejects if the server does not answer in time. */
  open(channel: ValkeyChannel): Promise<OpenedChannel> {
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
  async #request(waiting: Map<ValkeyChannel, PromiseWithResolvers<OpenedChannel>>): Promise<void> {
    const { connection, channels, onOpened } = this.#parts;
    while (waiting.size > 0) {
      await connection.waitUntilReady();
      const names = [...waiting.keys()];
      const opened = await channels.open(
        connection,
        names.map((channel) => ({ channel })),
      );
      for (const [index, channel] of names.entries()) {
        const answer = opened[index];
        if (answer === undefined || (answer instanceof Error && !this.#isClosed)) continue;
        if (answer instanceof Error) waiting.get(channel)?.reject(answer);
        else {
          onOpened(channel, answer);
          waiting.get(channel)?.resolve(answer);
        }
        waiting.delete(channel);
      }
      if (waiting.size > 0) await delay(RETRY_MS);
    }
  }
}
