import { setTimeout as delay } from "node:timers/promises";

import type { LogPosition } from "../log.ts";
import type { ValkeyChannel } from "./valkeyChannel.ts";
import type { OpenedChannel, ValkeyChannels } from "./valkeyChannels.ts";
import type { ValkeyConnection } from "./valkeyConnection.ts";

/** Time after which a server that has not answered is asked again, in milliseconds. */
const RETRY_MS = 50;

export interface ValkeyChannelEndsParts {
  readonly connection: ValkeyConnection;
  readonly channels: ValkeyChannels;
  /** Seconds for which a question waits for its answer. */
  readonly timeoutSeconds: number;
  /** Told what was found, whose epoch may be news. */
  readonly onOpened: (channel: ValkeyChannel, opened: OpenedChannel) => void;
}

/** Asks for the ends of channels, once per channel and turn however many want to know. */
export class ValkeyChannelEnds {
  readonly #parts: ValkeyChannelEndsParts;
  #asked = new Map<ValkeyChannel, PromiseWithResolvers<LogPosition>>();
  #closed = false;

  constructor(parts: ValkeyChannelEndsParts) {
    this.#parts = parts;
  }

  end(channel: ValkeyChannel): Promise<LogPosition> {
    if (this.#closed) return Promise.reject(new Error("The log is closed."));
    if (this.#asked.size === 0) setImmediate(this.#ask);
    let asked = this.#asked.get(channel);
    if (asked === undefined) {
      asked = Promise.withResolvers();
      this.#asked.set(channel, asked);
    }
    return asked.promise;
  }

  close(): void {
    this.#closed = true;
  }

  readonly #ask = (): void => {
    const asked = this.#asked;
    this.#asked = new Map();
    const { timeoutSeconds } = this.#parts;
    const timer = setTimeout(() => {
      const error = new Error(`Valkey has not answered for ${timeoutSeconds} seconds.`);
      for (const { reject } of asked.values()) reject(error);
      asked.clear();
    }, timeoutSeconds * 1000);
    void this.#answer(asked).then(() => {
      clearTimeout(timer);
    });
  };

  /** Ends when nobody waits for an answer any more. */
  async #answer(asked: Map<ValkeyChannel, PromiseWithResolvers<LogPosition>>): Promise<void> {
    const { connection, channels, onOpened } = this.#parts;
    while (asked.size > 0) {
      await connection.waitUntilReady();
      const names = [...asked.keys()];
      const opened = await channels.open(
        connection,
        names.map((channel) => ({ channel })),
      );
      for (const [index, channel] of names.entries()) {
        const answer = opened[index];
        if (answer === undefined || (answer instanceof Error && !this.#closed)) continue;
        if (answer instanceof Error) asked.get(channel)?.reject(answer);
        else {
          onOpened(channel, answer);
          asked.get(channel)?.resolve({ epoch: answer.epoch, next: answer.end });
        }
        asked.delete(channel);
      }
      if (asked.size > 0) await delay(RETRY_MS);
    }
  }
}
