import { toWireName } from "../wire/channelName.ts";
import { encode } from "../wire/encode.ts";
import { textFrame } from "../wire/frame.ts";
import type { Dialect, Gap } from "../wire/messages.ts";
import type { FramesInDialect } from "./dialectFrames.ts";
import type { FramePlace } from "./framePlace.ts";
import type { Slice } from "./frameSlices.ts";

/** The last message that a client has received. */
export interface ResumePoint {
  readonly epoch: string;
  readonly offset: number;
}

/**
 * The first message that a reader requests: the next one that is published, the one after its resume point, or up to `last` of the
 * retained ones.
 */
export type Start = "end" | ResumePoint | { readonly last: number };

/** The callback of cursors. Several cursors can share a listener. */
export interface Listener {
  /** Called if the cursor has more frames, or is lost; usually at most once per turn of the event loop. It must not throw. */
  onReadable(cursor: Cursor): void;
}

export interface JoinRequest {
  readonly channel: string;
  readonly dialect: Dialect;
  readonly start: Start;
  readonly listener: Listener;
  /** Aborts the join. */
  readonly signal?: AbortSignal | undefined;
}

/** The position at which a client has joined a channel. */
export interface Joined {
  readonly cursor: Cursor;
  readonly epoch: string;
  /** Offset of the last message before the cursor. */
  readonly offset: number;
  /** Messages after the client's resume point that the cursor cannot read, if any. */
  readonly gap: Gap | undefined;
}

/** A reader's position in a channel. It has no queue, so the cost of a slow reader does not grow. */
export interface Cursor {
  readonly channel: string;
  /** Whether the next frame is no longer retained. A lost cursor stays lost. A `channels` cursor is never lost: it reads a gap. */
  readonly isLost: boolean;
  /** Whether nothing is left to read now. It is false also while the cursor waits for the log. */
  readonly isAtEnd: boolean;
  /**
   * Takes the next frames, in order. Returns `undefined` at the end of the channel, if the cursor is lost, and while it waits for
   * the log, after which the listener is called.
   */
  read(): Slice | undefined;
  /** Leaves the channel. Idempotent. */
  close(): void;
}

/** A cursor with the state that its channel needs. */
export class ChannelCursor implements Cursor {
  readonly channel: string;
  readonly listener: Listener;
  readonly source: FramesInDialect;
  readonly #onClose: (cursor: ChannelCursor) => void;
  /** `undefined` if the cursor is lost: a lost place keeps all later frames in memory. */
  #place: FramePlace | undefined;

  /**
   * @param start offset of the first message, as `FrameLog.nearest` returns it.
   * @param onClose called by each {@link close}.
   */
  constructor(
    channel: string,
    source: FramesInDialect,
    start: number,
    listener: Listener,
    onClose: (cursor: ChannelCursor) => void,
  ) {
    this.channel = channel;
    this.source = source;
    this.listener = listener;
    this.#onClose = onClose;
    this.#place = source.frames.at(start);
  }

  get isLost(): boolean {
    if (this.source.dialect === "channels") return false;
    if (this.#place?.isLost === true) this.#place = undefined;
    return this.#place === undefined;
  }

  get isAtEnd(): boolean {
    return this.#place?.isAtEnd ?? true;
  }

  /** Bytes that the cursor has not read. */
  get lagBytes(): number {
    return this.#place?.lagBytes ?? 0;
  }

  read(): Slice | undefined {
    const place = this.#place;
    return place?.isLost === true && this.source.dialect === "channels"
      ? this.#readGap(place)
      : place?.read();
  }

  close(): void {
    this.#onClose(this);
    this.#place = undefined;
  }

  /** Continues at the oldest retained message of the current epoch. */
  #readGap({ epoch, next }: FramePlace): Slice {
    const { frames } = this.source;
    const [channel, first] = [toWireName(this.channel), frames.first];
    this.#place = frames.at(first);
    const gap: Gap =
      epoch === frames.epoch ? { channel, epoch, from: next, to: first - 1 } : { channel, epoch, from: next };
    const bytes = textFrame(encode({ gap }));
    if (epoch === frames.epoch) return { bytes, frames: 1 };
    const subscribed = textFrame(encode({ subscribed: channel, epoch: frames.epoch, offset: first - 1 }));
    return { bytes: Buffer.concat([subscribed, bytes]), frames: 2 };
  }
}
