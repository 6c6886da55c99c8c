import type { ClientError } from "../api/error.ts";
import type { Gap, Message, Position } from "../api/events.ts";
import type { MessageFrame } from "./frames.ts";

/** The part of a channel of the application that a subscription uses. */
export interface SubscriptionReader {
  readonly hasEnded: boolean;
  /** @param size characters of the message's frame. */
  deliver(message: Message<unknown>, size: number): void;
  reportGap(gap: Gap): void;
  reportSubscribed(position: Position): void;
  end(error?: ClientError): void;
}

/** Follows the position in the log of one channel, across WebSockets: delivers each message once and in order, and reports gaps. */
export class Subscription {
  readonly name: string;
  readonly readers = new Set<SubscriptionReader>();
  /** The subscriber whose frames count. While a WebSocket replaces another one, both receive the channel. */
  owner: object | undefined;
  /** The subscriber that has requested a first position. */
  requester: object | undefined;
  readonly #last: number | undefined;
  #position: Position | undefined;
  #lastGap: Gap | undefined;

  constructor(name: string, last: number | undefined, after: Position | undefined) {
    this.name = name;
    this.#last = last;
    // The caller's object may have more keys, and may change.
    this.#position = after && { epoch: after.epoch, offset: after.offset };
  }

  get position(): Position | undefined {
    return this.#position;
  }

  /** The frame that subscribes at the present position. */
  get frame(): string {
    return JSON.stringify({
      subscribe: this.name,
      last: this.#position ? undefined : this.#last,
      ...this.#position,
    });
  }

  /**
   * The owner continues after `at`.
   * @param before the position at which the owner was or resumed, if there was one.
   */
  onSubscribed(before: Position | undefined, at: Position): void {
    const known = this.#position;
    const gap = known && findGap(before ?? known, known, at);
    if (known === undefined || gap !== undefined) this.#position = at;
    this.#each((reader) => {
      reader.reportSubscribed(at);
    });
    if (gap !== undefined) this.#reportGap(gap);
  }

  onGap(gap: Gap): void {
    const known = this.#position;
    const last = this.#lastGap;
    if (known?.epoch === gap.epoch && gap.to !== undefined) {
      if (gap.to <= known.offset) return;
      this.#position = { epoch: gap.epoch, offset: gap.to };
      this.#reportGap({ ...gap, from: Math.max(gap.from, known.offset + 1) });
    } else if (last?.epoch !== gap.epoch || (known?.epoch === gap.epoch && last.from !== gap.from)) {
      this.#reportGap(gap);
    }
    // Otherwise, `onSubscribed` has reported it.
  }

  /** @param epoch of the frame's sender. */
  onMessage(epoch: string, { value, offset, from, size }: MessageFrame): void {
    const known = this.#position;
    if (known?.epoch !== epoch || offset <= known.offset) return;
    this.#position = { epoch, offset };
    // The server skips no offset. A skipped one is reported all the same.
    if (offset > known.offset + 1) this.#reportGap({ epoch, from: known.offset + 1, to: offset - 1 });
    const message: Message<unknown> = { value, epoch, offset, ...(from !== undefined && { from }) };
    this.#each((reader) => {
      reader.deliver(message, size);
    });
  }

  #reportGap(gap: Gap): void {
    this.#lastGap = gap;
    this.#each((reader) => {
      reader.reportGap(gap);
    });
  }

  /** A callback may end readers, and add further ones, which begin later. */
  #each(call: (reader: SubscriptionReader) => void): void {
    for (const reader of [...this.readers]) if (!reader.hasEnded) call(reader);
  }
}

/**
 * Returns what the client has not received and will not receive, or undefined.
 * @param before the position at which the sender resumed.
 * @param known the client's position. It is later than `before` if another WebSocket has delivered messages meanwhile.
 * @param at the position after which the sender continues.
 */
function findGap(before: Position, known: Position, at: Position): Gap | undefined {
  const { epoch, offset } = at;
  if (known.epoch !== epoch)
    return before.epoch === epoch ? undefined : { epoch: known.epoch, from: known.offset + 1 };
  // The log has lost messages that this client received. New messages will reuse their offsets.
  if (before.epoch === epoch && offset < before.offset) return { epoch, from: offset + 1 };
  return offset > known.offset ? { epoch, from: known.offset + 1, to: offset } : undefined;
}
