import type { Dialect, Gap } from "../wire/messages.ts";
import type { Slice } from "./slices.ts";

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
  /**
   * Called if the cursor may have more frames, or is lost; usually at most once per turn of the event loop. It must not throw.
   */
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
  /**
   * Messages after the client's resume point that the cursor cannot read, as far as they are known. If the log has dropped more,
   * the cursor reads a gap, or is lost.
   */
  readonly gap: Gap | undefined;
}

/** A reader's position in a channel. It has no queue, so the cost of a slow reader does not grow. */
export interface Cursor {
  readonly channel: string;
  /**
   * Whether the next message is no longer in the log. A lost cursor stays lost. Only a `plain` cursor can be lost: another one
   * reads a gap.
   */
  readonly isLost: boolean;
  /** Whether nothing is left to read. It is false also while the cursor waits for the log. */
  readonly isAtEnd: boolean;
  /**
   * Whether {@link read} would wait for a page of the log, or waits for one. It is false while the log cannot return the page, which
   * may last long. The listener is called when it becomes false.
   */
  readonly needsPage: boolean;
  /**
   * Takes the next frames, in order. Returns `undefined` at the end of the channel, if the cursor is lost, and while it waits for
   * the log, after which the listener is called.
   */
  read(): Slice | undefined;
  /** Leaves the channel. Idempotent. */
  close(): void;
}
