import type { Dialect, Gap } from "../wire/messages.ts";
import type { FramesInDialect } from "./dialectFrames.ts";
import type { FramePlace } from "./framePlace.ts";
import type { Slice } from "./frameSlices.ts";

/** The last message that a client has received. */
export interface ResumePoint {
  readonly epoch: string;
  readonly offset: number;
}

/** The callback of a cursor. */
export interface Listener {
  /** Called if the cursor has more frames, or is lost; usually at most once per turn of the event loop. It must not throw. */
  onReadable(): void;
}

export interface JoinRequest {
  readonly channel: string;
  readonly dialect: Dialect;
  /** The last message that the client has received, if any. */
  readonly resume?: ResumePoint | undefined;
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
  /** Whether the next frame is no longer retained. A lost cursor stays lost. */
  readonly isLost: boolean;
  /** Takes the next frames, in order. Returns `undefined` at the end of the channel, and if the cursor is lost. */
  read(): Slice | undefined;
  /** Leaves the channel. Idempotent. */
  close(): void;
}

/** A cursor with the state that its channel needs. */
export class ChannelCursor implements Cursor {
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
    source: FramesInDialect,
    start: number,
    listener: Listener,
    onClose: (cursor: ChannelCursor) => void,
  ) {
    this.source = source;
    this.listener = listener;
    this.#onClose = onClose;
    this.#place = source.frames.at(start);
  }

  get isLost(): boolean {
    if (this.#place?.isLost === true) this.#place = undefined;
    return this.#place === undefined;
  }

  /** Bytes that the cursor has not read. */
  get lagBytes(): number {
    return this.#place?.lagBytes ?? 0;
  }

  read(): Slice | undefined {
    return this.#place?.read();
  }

  close(): void {
    this.#onClose(this);
    this.#place = undefined;
  }
}
