/** The text of server-sent events. @see https://html.spec.whatwg.org/multipage/server-sent-events.html */
import type { LogPosition } from "../../../log/log.ts";
import { toWireName } from "../../../wire/channelName.ts";
import { frameEnd, payloadStart } from "../../../wire/frame.ts";
import type { Gap } from "../../../wire/messages.ts";
import type { Slice } from "../../../channel/slices.ts";
import { formatEventId } from "../parameters.ts";

/** Time after which a browser connects again. */
const RETRY_MS = 1_000;

/** A comment, which proves that the connection is alive. */
export const HEARTBEAT = Buffer.from(": heartbeat\n\n");

/** The position of an event: the epoch, and the offset of the last message before it. */
export interface EventPosition {
  readonly epoch: string;
  readonly offset: number;
}

interface Events {
  readonly bytes: Buffer;
  /** Positions before the events and after them. */
  readonly from: Pick<LogPosition, "epoch">;
  readonly to: EventPosition;
}

/** Returns the start of a stream. An id without data is no event, but a client that reconnects sends it. */
export function renderStart({ epoch, offset }: EventPosition, gap: Gap | undefined): string {
  const id = formatEventId(epoch, offset);
  return `retry: ${RETRY_MS}\nid: ${id}\n\n${gap === undefined ? "" : renderGap(id, gap)}`;
}

/** Renders the frames of the dialect `channels` as events. Streams at the same position share the result. */
export class EventTexts {
  readonly #rendered = new WeakMap<Slice, Events>();

  /** @param position of the stream before the slice. */
  render(slice: Slice, channel: string, position: EventPosition): Pick<Events, "bytes" | "to"> {
    const known = this.#rendered.get(slice);
    if (known?.from.epoch === position.epoch) return known;
    const events = renderSlice(slice, channel, position);
    this.#rendered.set(slice, events);
    return events;
  }
}

function renderSlice({ bytes }: Slice, channel: string, from: EventPosition): Events {
  const start = `{"channel":"${toWireName(channel)}","offset":`;
  let { epoch, offset } = from;
  let text = "";
  for (let frame = 0; frame < bytes.length; frame = frameEnd(bytes, frame)) {
    const frameText = bytes.toString("utf8", payloadStart(bytes, frame), frameEnd(bytes, frame));
    if (frameText.startsWith(start)) {
      const rest = frameText.slice(start.length);
      offset = Number.parseInt(rest, 10);
      text += `id: ${formatEventId(epoch, offset)}\ndata: {"offset":${rest}\n\n`;
      continue;
    }
    // The server has encoded the notice of a gap: see `gapNotice.ts`.
    const notice = JSON.parse(frameText) as Partial<EventPosition> & { readonly gap?: Gap };
    if (notice.epoch !== undefined && notice.offset !== undefined)
      ({ epoch, offset } = { ...from, ...notice });
    if (notice.gap === undefined) continue;
    offset = notice.gap.to ?? offset;
    text += renderGap(formatEventId(epoch, offset), notice.gap);
  }
  return { bytes: Buffer.from(text), from, to: { epoch, offset } };
}

function renderGap(id: string, { epoch, from, to }: Gap): string {
  return `event: gap\nid: ${id}\ndata: ${JSON.stringify({ epoch, from, ...(to !== undefined && { to }) })}\n\n`;
}
