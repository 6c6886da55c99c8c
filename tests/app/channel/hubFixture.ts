import { setImmediate as nextTurn } from "node:timers/promises";

import { Hub } from "../../../app/src/channel/hub.ts";
import type { HubParts } from "../../../app/src/channel/hub.ts";
import type { Cursor, Joined, JoinRequest, Listener } from "../../../app/src/channel/cursor.ts";
import type { LogEntry } from "../../../app/src/log/log.ts";
import { encode, encodeBroadcast } from "../../../app/src/wire/encode.ts";
import type { Broadcast } from "../../../app/src/wire/encode.ts";
import { textFrame } from "../../../app/src/wire/frame.ts";
import type { Dialect, Gap } from "../../../app/src/wire/messages.ts";
import { ManualLog } from "../support/logs.ts";
import type { ManualReader } from "../support/logs.ts";

export const CHANNEL = "c";

const ignore: Listener = { onReadable: () => undefined };

export function hubOn(parts: Pick<HubParts, "log"> & Partial<HubParts>): Hub {
  return new Hub({
    cacheMib: 4,
    maxChannels: 10,
    lingerMs: 0,
    ...parts,
  });
}

export function join(hub: Hub, request: Partial<JoinRequest> = {}): Promise<Joined> {
  return hub.join({ channel: CHANNEL, dialect: "plain", start: "end", listener: ignore, ...request });
}

/** A hub whose channel has been read up to an offset, with one reader. */
export async function followed(
  next: number,
  parts: Partial<HubParts> = {},
  dialect: Dialect = "plain",
): Promise<{ log: ManualLog; hub: Hub; reader: ManualReader; first: Joined }> {
  const log = new ManualLog();
  const hub = hubOn({ log, ...parts });
  const joining = join(hub, { dialect });
  const reader = log.reader(CHANNEL);
  reader.started({ epoch: "e", next });
  return { log, hub, reader, first: await joining };
}

export function broadcastOf(payload: string, offset: number): Broadcast {
  return { channel: CHANNEL, offset, payload, from: undefined };
}

export function framesOf(dialect: Dialect, first: number, ...jsons: readonly string[]): Buffer {
  return Buffer.concat(
    jsons.map((json, n) => textFrame(encodeBroadcast(dialect, broadcastOf(json, first + n)))),
  );
}

/** The texts by which clients receive a gap. @param offset of the last message before the next one. */
export function noticesOf(epoch: string, offset: number, gap: Gap): readonly string[] {
  const lost = encode({ gap: { channel: CHANNEL, ...gap } });
  return epoch === gap.epoch ? [lost] : [encode({ subscribed: CHANNEL, epoch, offset }), lost];
}

/** Reads everything that a cursor can read now. */
export function readAll(cursor: Cursor): Buffer {
  const slices: Buffer[] = [];
  for (let slice = cursor.read(); slice !== undefined; slice = cursor.read()) slices.push(slice.bytes);
  return Buffer.concat(slices);
}

/** Reads to the end of the channel, also from the log, or until the cursor is lost. */
export async function readToEnd(cursor: Cursor): Promise<Buffer> {
  const slices: Buffer[] = [];
  while (!cursor.isAtEnd && !cursor.isLost) {
    slices.push(readAll(cursor));
    await nextTurn();
  }
  return Buffer.concat(slices);
}

export function entriesFrom(first: number, ...payloads: readonly string[]): LogEntry[] {
  return payloads.map((payload, n) => ({ offset: first + n, record: payload }));
}
