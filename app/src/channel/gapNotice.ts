import type { LogPosition } from "../log/log.ts";
import { toWireName } from "../wire/channelName.ts";
import { encode } from "../wire/encode.ts";
import { textFrame } from "../wire/frame.ts";
import type { ServerMessage } from "../wire/messages.ts";
import type { Slice } from "./slices.ts";

export interface GapNoticeParts {
  readonly channel: string;
  /** Position of the first message that the client cannot receive. */
  readonly from: LogPosition;
  /** Position at which the client continues. */
  readonly to: LogPosition;
}

/** The messages that notify clients of gaps. Most gaps are the same for all readers of a channel, which share one slice. */
export class GapNotices {
  #last: (GapNoticeParts & { readonly notice: Slice }) | undefined;

  find(parts: GapNoticeParts): Slice {
    const last = this.#last;
    if (last !== undefined && isSame(parts, last)) return last.notice;
    const notice = createNotice(parts);
    this.#last = { ...parts, notice };
    return notice;
  }
}

function isSame(one: GapNoticeParts, other: GapNoticeParts): boolean {
  return (
    one.channel === other.channel &&
    one.from.epoch === other.from.epoch &&
    one.from.next === other.from.next &&
    one.to.epoch === other.to.epoch &&
    one.to.next === other.to.next
  );
}

function createNotice({ channel: name, from, to }: GapNoticeParts): Slice {
  const channel = toWireName(name);
  const offset = to.next - 1;
  const lost = { channel, epoch: from.epoch, from: from.next };
  const messages: readonly ServerMessage[] =
    from.epoch === to.epoch
      ? [{ gap: { ...lost, to: offset } }]
      : [{ subscribed: channel, epoch: to.epoch, offset }, { gap: lost }];
  const frames = messages.map((message) => textFrame(encode(message)));
  return { bytes: Buffer.concat(frames), frames: frames.length };
}
