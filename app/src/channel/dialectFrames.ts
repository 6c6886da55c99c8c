import type { LogPosition } from "../log/log.ts";
import { unpackRecord } from "../log/record.ts";
import { toWireName } from "../wire/channelName.ts";
import { decodeBroadcast, encode, encodeBroadcast } from "../wire/encode.ts";
import type { Dialect, Gap } from "../wire/messages.ts";
import { FrameLog } from "./frameLog.ts";

/** The frames of a channel in one dialect. */
export interface FramesInDialect {
  readonly dialect: Dialect;
  readonly frames: FrameLog;
  readers: number;
}

export interface DialectFramesParts {
  readonly channel: string;
  /** Dialect of the first reader. */
  readonly dialect: Dialect;
  /** Offset of the first message. */
  readonly next: number;
  /** Minimum size of the retained frames per dialect, in bytes. */
  readonly minBytes: number;
  /** For the greeting that clients receive at a hole. */
  readonly heartbeatSeconds: number;
}

/** The recent frames of a channel in each dialect that it has readers for. Each message is encoded once per dialect. */
export class DialectFrames {
  readonly #channel: string;
  readonly #minBytes: number;
  readonly #heartbeatSeconds: number;
  /** At least one dialect, because a new one is translated from another one. */
  #dialects: readonly [FramesInDialect, ...FramesInDialect[]];

  constructor({ channel, dialect, next, minBytes, heartbeatSeconds }: DialectFramesParts) {
    this.#channel = channel;
    this.#minBytes = minBytes;
    this.#heartbeatSeconds = heartbeatSeconds;
    this.#dialects = [{ dialect, frames: new FrameLog(next, minBytes), readers: 0 }];
  }

  /** Appends a message to every dialect. Returns the bytes of its largest frame. */
  push(record: string, offset: number): number {
    let bytes = 0;
    const broadcast = { channel: this.#channel, offset, ...unpackRecord(record) };
    for (const { dialect, frames } of this.#dialects) {
      bytes = Math.max(bytes, frames.push(encodeBroadcast(dialect, broadcast)));
    }
    return bytes;
  }

  /**
   * Continues at another position, and adds notices of the gap.
   * @param before the position that was expected; `undefined` if the channel had not been read yet.
   */
  continueAt(from: LogPosition, before: LogPosition | undefined): void {
    for (const { dialect, frames } of this.#dialects) {
      const notices = this.#noticesOf(dialect, from, before);
      if (from.epoch === before?.epoch) frames.skipTo(from.next, notices);
      else frames.restart(from.next, notices, from.epoch);
    }
  }

  /** Returns the frames in a dialect. For its first reader they are translated from another dialect. */
  in(dialect: Dialect, epoch: string): FramesInDialect {
    const known = this.#dialects.find((each) => each.dialect === dialect);
    if (known !== undefined) return known;

    const other = this.#dialects[0];
    const frames = new FrameLog(other.frames.first, this.#minBytes, epoch);
    const continueAt = (next: number): void => {
      if (next === frames.next) return;
      frames.skipTo(next, this.#noticesOf(dialect, { epoch, next }, { epoch, next: frames.next }));
    };
    for (const { offset, text } of other.frames.messages()) {
      continueAt(offset);
      const published = decodeBroadcast(other.dialect, text);
      frames.push(encodeBroadcast(dialect, { channel: this.#channel, offset, ...published }));
    }
    continueAt(other.frames.next);
    const translated: FramesInDialect = { dialect, frames, readers: 0 };
    this.#dialects = [...this.#dialects, translated];
    return translated;
  }

  /** Drops the dialects without readers, except the last one. */
  dropUnread(): void {
    const [first, ...others] = this.#dialects.filter(({ readers }) => readers > 0);
    if (first !== undefined) this.#dialects = [first, ...others];
  }

  /** Returns the messages that notify clients of a gap. `plain` clients have no offsets, and receive none. */
  #noticesOf(dialect: Dialect, from: LogPosition, before: LogPosition | undefined): readonly string[] {
    if (dialect === "plain" || before === undefined) return [];
    const { epoch, next } = from;
    const gap: Gap =
      epoch === before.epoch
        ? { epoch, from: before.next, to: next - 1 }
        : { epoch: before.epoch, from: before.next };
    if (dialect === "channels") {
      const channel = toWireName(this.#channel);
      const lost = encode({ gap: { channel, ...gap } });
      if (epoch === before.epoch) return [lost];
      return [encode({ subscribed: channel, epoch, offset: next - 1 }), lost];
    }
    const heartbeat = this.#heartbeatSeconds;
    return [encode({ connection: "ok", epoch, offset: next - 1, heartbeat }), encode({ gap })];
  }
}
