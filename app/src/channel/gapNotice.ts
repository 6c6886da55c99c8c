import type { LogPosition } from "../log/log.ts";
import { toWireName } from "../wire/channelName.ts";
import { encode } from "../wire/encode.ts";
import { textFrame } from "../wire/frame.ts";
import type { Dialect, Gap, ServerMessage } from "../wire/messages.ts";
import type { Slice } from "./slices.ts";

export interface GapNoticeParts {
  readonly channel: string;
  /** Clients of `plain` have no offsets, and receive no notice. */
  readonly dialect: Exclude<Dialect, "plain">;
  /** Position of the first message that the client cannot receive. */
  readonly from: LogPosition;
  /** Position at which the client continues. */
  readonly to: LogPosition;
}

/** The messages that notify clients of gaps. Most gaps are the same for all readers of a channel, which share one slice. */
export class GapNotices {
  readonly #heartbeatSeconds: number;
  #last: (GapNoticeParts & { readonly notice: Slice }) | undefined;

  /** @param heartbeatSeconds interval of the server's heartbeats, in seconds. */
  constructor(heartbeatSeconds: number) {
    this.#heartbeatSeconds = heartbeatSeconds;
  }

  find(parts: GapNoticeParts): Slice {
    const last = this.#last;
    if (last !== undefined && isSame(parts, last)) return last.notice;
    const notice = createNotice(parts, this.#heartbeatSeconds);
    this.#last = { ...parts, notice };
    return notice;
  }
}

function isSame(one: GapNoticeParts, other: GapNoticeParts): boolean {
  return (
    one.channel === other.channel &&
    one.dialect === other.dialect &&
    one.from.epoch === other.from.epoch &&
    one.from.next === other.from.next &&
    one.to.epoch === other.to.epoch &&
    one.to.next === other.to.next
  );
}

function createNotice({ channel, dialect, from, to }: GapNoticeParts, heartbeat: number): Slice {
  const offset = to.next - 1;
  const isSameEpoch = from.epoch === to.epoch;
  const gap: Gap = { epoch: from.epoch, from: from.next, ...(isSameEpoch ? { to: offset } : {}) };
  const messages: ServerMessage[] = [];
  if (dialect === "channels") {
    const name = toWireName(channel);
    if (!isSameEpoch) messages.push({ subscribed: name, epoch: to.epoch, offset });
    messages.push({ gap: { channel: name, ...gap } });
  } else {
    messages.push({ connection: "ok", epoch: to.epoch, offset, heartbeat }, { gap });
  }
  const frames = messages.map((message) => textFrame(encode(message)));
  return { bytes: Buffer.concat(frames), frames: frames.length };
}
