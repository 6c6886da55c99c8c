import { setTimeout as delay } from "node:timers/promises";

import type { LogEntry, LogPage, LogPosition } from "../log.ts";
import type { ValkeyNodes } from "./connection/valkeyNodes.ts";
import type { ChannelLocator } from "./follow/channelLocator.ts";
import { readStream } from "./follow/streamReads.ts";
import type { MeasuredEntry } from "./publishedMessage.ts";
import type { ValkeyChannel } from "./valkeyChannel.ts";

/** Delay before a failed request is repeated, in milliseconds. */
const RETRY_MS = 50;

export interface PageReaderParts {
  readonly nodes: ValkeyNodes;
  readonly locator: ChannelLocator;
  /** Maximum time until a request has a result, in seconds. */
  readonly timeoutSeconds: number;
}

/** A position in the stream of a channel. */
interface StreamPosition {
  readonly epoch: number;
  readonly next: number;
}

/** Reads pages of retained entries. */
export class PageReader {
  readonly #parts: PageReaderParts;
  #isClosed = false;

  constructor(parts: PageReaderParts) {
    this.#parts = parts;
  }

  /** See `MessageLog.read`. */
  async read(channel: ValkeyChannel, from: LogPosition, maxBytes: number): Promise<LogPage> {
    const { timeoutSeconds } = this.#parts;
    const deadline = performance.now() + timeoutSeconds * 1000;
    let position: StreamPosition | undefined = parsePosition(from);
    let error: Error | undefined;
    while (!this.#isClosed && performance.now() < deadline) {
      const page = position === undefined ? undefined : await this.#readAt(channel, position, maxBytes);
      if (page !== undefined && !(page instanceof Error)) return page;
      const located = page ?? (await this.#locate(channel, position));
      if (located instanceof Error) {
        error = located;
        await delay(RETRY_MS);
      } else if ("entries" in located) return located;
      else position = located;
    }
    if (this.#isClosed) throw new Error("The log is closed.");
    throw new Error(`Valkey has not answered for ${timeoutSeconds} seconds.`, { cause: error });
  }

  close(): void {
    this.#isClosed = true;
  }

  /** @returns `undefined` if the stream has no entry at the position. */
  async #readAt(
    channel: ValkeyChannel,
    position: StreamPosition,
    maxBytes: number,
  ): Promise<LogPage | Error | undefined> {
    const page = await readStream(this.#parts.nodes, channel, position, maxBytes);
    if (page instanceof Error) return page;
    if (page.entries.length === 0) return undefined;
    return {
      from: { epoch: String(position.epoch), next: position.next },
      entries: entriesWithin(page.entries, maxBytes),
    };
  }

  /** @returns the position at which the retained entries can be read, or an empty page at the end of the channel. */
  async #locate(
    channel: ValkeyChannel,
    position: StreamPosition | undefined,
  ): Promise<StreamPosition | LogPage | Error> {
    const [located] = await this.#parts.locator.locate(channel.partition, [channel]);
    if (located === undefined || located instanceof Error) return located ?? new Error("Valkey is away.");
    const { epoch, first, end } = located;
    const next = position?.epoch === epoch ? Math.max(first, position.next) : first;
    if (next < end) return { epoch, next };
    return { from: { epoch: String(epoch), next: end }, entries: [] };
  }
}

/** Returns the first entries that fit, at least one. */
function entriesWithin(entries: readonly MeasuredEntry[], maxBytes: number): readonly LogEntry[] {
  let total = 0;
  const beyond = entries.findIndex(({ bytes }, index) => (total += bytes) > maxBytes && index > 0);
  return entries
    .slice(0, beyond < 0 ? entries.length : beyond)
    .map(({ offset, record }) => ({ offset, record }));
}

/** @returns `undefined` if it cannot be a position of this log. */
function parsePosition({ epoch, next }: LogPosition): StreamPosition | undefined {
  const number = Number(epoch);
  return /^\d+$/.test(epoch) && Number.isSafeInteger(number) && Number.isSafeInteger(next) && next >= 1
    ? { epoch: number, next }
    : undefined;
}
