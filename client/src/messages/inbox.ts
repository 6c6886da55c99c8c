import type { Gap, Position } from "../api/events.ts";
import type { Greeting, MessageFrame } from "./frames.ts";
import type { Subscribers } from "./subscribers.ts";

/** Follows the position in the log: delivers each message once and in order, and reports gaps. */
export class Inbox<Message> {
  readonly #subscribers: Subscribers<Message>;
  #position: Position | undefined;
  /**
   * A gap that the greeting implies. It is reported with the next frame, because the server's own gap frame, which follows
   * the greeting directly, replaces it.
   */
  #pendingGap: Gap | undefined;

  constructor(subscribers: Subscribers<Message>, from: Position | undefined) {
    this.#subscribers = subscribers;
    this.#position = from;
  }

  get position(): Position | undefined {
    return this.#position;
  }

  /** The channel's URL with the position at which a connection resumes. */
  resumeUrl(channelUrl: URL): URL {
    const url = new URL(channelUrl);
    if (this.#position !== undefined) {
      url.searchParams.set("epoch", this.#position.epoch);
      url.searchParams.set("offset", String(this.#position.offset));
    }
    return url;
  }

  onGreeting({ epoch, offset }: Greeting): void {
    const before = this.#position;
    if (before?.epoch === epoch && before.offset === offset) return;
    if (before !== undefined && before.epoch !== epoch) {
      this.#pendingGap = { epoch: before.epoch, from: before.offset + 1 };
    } else if (before !== undefined && before.offset < offset) {
      this.#pendingGap = { epoch, from: before.offset + 1, to: offset };
    } else if (before !== undefined) {
      // The log has lost messages that this client received. New messages will reuse their offsets.
      this.#pendingGap = { epoch, from: offset + 1 };
    }
    this.#position = { epoch, offset };
  }

  onGap(gap: Gap): void {
    this.#pendingGap = gap;
  }

  reportPendingGap(): void {
    const gap = this.#pendingGap;
    this.#pendingGap = undefined;
    if (gap !== undefined) this.#subscribers.reportGap(gap);
  }

  onMessage({ epoch, offset: last }: Position, { message, offset, size }: MessageFrame): void {
    if (offset <= last) return;
    // The server skips no offset. A skipped one is reported all the same.
    if (offset > last + 1) this.#subscribers.reportGap({ epoch, from: last + 1, to: offset - 1 });
    // A listener may have closed the channel.
    if (this.#subscribers.isClosed) return;
    this.#position = { epoch, offset };
    // The type parameter is the caller's declaration of what the channel's clients publish.
    this.#subscribers.deliver({ message: message as Message, epoch, offset }, size);
  }
}
