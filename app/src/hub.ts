/**
 * Fan-out without sockets. The hub follows the log of each channel that has readers, encodes each message once
 * as a ready WebSocket frame, and keeps the recent frames for all readers together. A reader is a cursor into
 * them: it has no queue of its own, so what a slow one costs does not grow.
 */
import type { Logger } from "pino";

import { textFrame } from "./frame.ts";
import type { LogEntry, LogReader, MessageLog } from "./log/log.ts";
import { broadcastText } from "./protocol.ts";
import { RetainedWindow } from "./retainedWindow.ts";

/** Readers are told in the middle of a turn rather than let more than this share of the window be news to them. */
const URGENT_SHARE = 0.5;

export interface HubParts {
  readonly log: MessageLog;
  /** Most frames that are kept per channel, in bytes. */
  readonly retainedBytes: number;
  readonly logger: Logger;
}

export interface Hub {
  /**
   * Publishes a value, given as canonical JSON. Messages of a channel keep the order of the calls.
   * @returns the message's offset, when the log has stored it.
   * @throws where the log has not, or does not know.
   */
  publish(channel: string, json: string): Promise<number>;

  /**
   * Joins a channel. The cursor sees what is published after the promise has resolved, and nothing earlier.
   * @param onReadable called when there is news, at most once per turn of the event loop in quiet times: there
   * are frames, or the cursor is no longer `open`.
   * @throws where the log cannot be read.
   */
  subscribe(channel: string, onReadable: () => void): Promise<Cursor>;

  /** Resolves when all that was published so far is readable, or has failed. */
  flush(): Promise<void>;

  /** Stops following the log. Cursors stay where they are. */
  close(): void;
}

/**
 * `open`: there is more to read, now or later. `lost`: the next frame is no longer retained. `broken`: the log
 * failed, and nothing more will arrive.
 */
export type CursorState = "open" | "lost" | "broken";

export interface Cursor {
  readonly state: CursorState;
  /**
   * Takes the next frames, in order and back to back: as many whole ones as `maxBytes` holds, and at least one.
   * The buffer is shared with other readers and must not be changed. `undefined` at the end of the channel, and
   * where the cursor is lost.
   */
  read(maxBytes: number): Buffer | undefined;
  /** Leaves the channel. Idempotent. */
  close(): void;
}

export function createHub({ log, retainedBytes, logger }: HubParts): Hub {
  const channels = new Map<string, Channel>();
  const publishing = new Set<Promise<unknown>>();

  const open = (name: string): Channel => {
    const channel = new Channel(retainedBytes, {
      onUnused: () => {
        forget(name, channel);
      },
      onBroken: (error) => {
        logger.error({ err: error, channel: name }, "channel lost");
        forget(name, channel);
      },
    });
    channels.set(name, channel);
    channel.follow(log, name);
    return channel;
  };

  const forget = (name: string, channel: Channel): void => {
    channel.stop();
    if (channels.get(name) === channel) channels.delete(name);
  };

  return {
    async publish(name, json) {
      const appending = log.append(name, json);
      publishing.add(appending);
      try {
        const { offset } = await appending;
        channels.get(name)?.expect(offset);
        return offset;
      } finally {
        publishing.delete(appending);
      }
    },

    subscribe(name, onReadable) {
      return (channels.get(name) ?? open(name)).join(onReadable);
    },

    async flush() {
      await Promise.allSettled(publishing);
      await Promise.all([...channels.values()].map((channel) => channel.delivered()));
    },

    close() {
      for (const channel of channels.values()) channel.stop();
      channels.clear();
    },
  };
}

/** Joined frames, and what they were asked for. */
interface Slice {
  readonly from: number;
  readonly maxBytes: number;
  /** End of the channel at that time. */
  readonly end: number | undefined;
  /** Offset behind the last frame. */
  readonly next: number;
  readonly bytes: Buffer;
}

interface ChannelEvents {
  readonly onUnused: () => void;
  readonly onBroken: (error: Error) => void;
}

class Channel implements LogReader {
  readonly #retainedBytes: number;
  readonly #events: ChannelEvents;
  readonly #cursors = new Set<ChannelCursor>();
  readonly #live = Promise.withResolvers<RetainedWindow<Buffer>>();
  #frames: RetainedWindow<Buffer> | undefined;
  #stopFollowing: () => void = () => undefined;
  #broken = false;
  #joining = 0;
  /** Largest offset that the log has acknowledged to this process. */
  #expected = 0;
  #onDelivered: (() => void)[] = [];
  /** The last one that was asked for. */
  #slice: Slice | undefined;
  /** Bytes that arrived since the readers were last told. */
  #news = 0;
  #telling: NodeJS.Immediate | undefined;

  constructor(retainedBytes: number, events: ChannelEvents) {
    this.#retainedBytes = retainedBytes;
    this.#events = events;
    // Whoever joins handles the rejection; where nobody is left to, it is no news either.
    this.#live.promise.catch(() => undefined);
  }

  get broken(): boolean {
    return this.#broken;
  }

  follow(log: MessageLog, name: string): void {
    const stop = log.subscribe(name, "end", this);
    if (this.#broken) stop();
    else this.#stopFollowing = stop;
  }

  stop(): void {
    this.#stopFollowing();
    clearImmediate(this.#telling);
  }

  async join(onReadable: () => void): Promise<Cursor> {
    this.#joining += 1;
    try {
      const frames = await this.#live.promise;
      const cursor = new ChannelCursor(this, frames, onReadable);
      this.#cursors.add(cursor);
      return cursor;
    } finally {
      this.#joining -= 1;
    }
  }

  leave(cursor: ChannelCursor): void {
    if (!this.#cursors.delete(cursor)) return;
    if (this.#cursors.size + this.#joining === 0 && !this.#broken) this.#events.onUnused();
  }

  /**
   * The frames from an offset on, joined. Readers that keep up are all at the same offset in a turn, and get the
   * same slice: it is joined once, and is one write for each of them.
   */
  slice(from: number, maxBytes: number): Slice | undefined {
    const end = this.#frames?.end;
    const known = this.#slice;
    if (known?.from === from && known.maxBytes === maxBytes && known.end === end) return known;

    const frames: Buffer[] = [];
    let bytes = 0;
    let next = from;
    for (let frame = this.#frames?.at(next); frame !== undefined; frame = this.#frames?.at(next)) {
      if (frames.length > 0 && bytes + frame.length > maxBytes) break;
      frames.push(frame);
      bytes += frame.length;
      next += 1;
    }
    const [only] = frames;
    if (only === undefined) return undefined;
    this.#slice = {
      from,
      maxBytes,
      end,
      next,
      bytes: frames.length === 1 ? only : Buffer.concat(frames, bytes),
    };
    return this.#slice;
  }

  expect(offset: number): void {
    this.#expected = Math.max(this.#expected, offset);
  }

  /** Resolves when every acknowledged message has come back from the log. */
  delivered(): Promise<void> {
    if (this.#hasDelivered()) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onDelivered.push(resolve);
    });
  }

  started(next: number): void {
    this.#frames = new RetainedWindow(next, this.#retainedBytes, (frame) => frame.length);
    this.#live.resolve(this.#frames);
  }

  entries(entries: readonly LogEntry[]): void {
    for (const { payload } of entries) {
      const frame = textFrame(broadcastText(payload));
      // Before the push, which evicts: whoever can take them gets the frames that it evicts.
      if (this.#news > 0 && this.#news + frame.length > this.#retainedBytes * URGENT_SHARE) this.#tell();
      this.#frames?.push(frame);
      this.#news += frame.length;
    }
    // Once per turn: a burst becomes one write per socket.
    if (this.#news > 0) this.#telling ??= setImmediate(this.#tell);
    this.#resolveDelivered();
  }

  failed(error: Error): void {
    this.#broken = true;
    this.#live.reject(error);
    this.#events.onBroken(error);
    this.#resolveDelivered();
    this.#tell();
  }

  readonly #tell = (): void => {
    clearImmediate(this.#telling);
    this.#telling = undefined;
    this.#news = 0;
    for (const cursor of this.#cursors) cursor.onReadable();
  };

  #hasDelivered(): boolean {
    return this.#broken || this.#frames === undefined || this.#frames.end > this.#expected;
  }

  #resolveDelivered(): void {
    if (!this.#hasDelivered()) return;
    for (const resolve of this.#onDelivered.splice(0)) resolve();
  }
}

class ChannelCursor implements Cursor {
  readonly onReadable: () => void;
  readonly #channel: Channel;
  readonly #frames: RetainedWindow<Buffer>;
  #next: number;

  constructor(channel: Channel, frames: RetainedWindow<Buffer>, onReadable: () => void) {
    this.#channel = channel;
    this.#frames = frames;
    this.#next = frames.end;
    this.onReadable = onReadable;
  }

  get state(): CursorState {
    if (this.#next < this.#frames.first) return "lost";
    return this.#channel.broken ? "broken" : "open";
  }

  read(maxBytes: number): Buffer | undefined {
    const slice = this.#channel.slice(this.#next, maxBytes);
    if (slice === undefined) return undefined;
    this.#next = slice.next;
    return slice.bytes;
  }

  close(): void {
    this.#channel.leave(this);
  }
}
