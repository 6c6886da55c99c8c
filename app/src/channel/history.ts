/** The retained messages of a channel, read from the log once: without a subscription. */
import type { LogEntry, LogPosition, MessageLog } from "../log/log.ts";
import { KIB, MIB } from "../settings/units.ts";
import type { Gap } from "../wire/messages.ts";
import type { ResumePoint } from "./cursor.ts";

/** Default size of the records of a result, except for a single larger message. The caller requests the next ones. */
export const MAX_HISTORY_BYTES = MIB;
const PAGE_BYTES = 256 * KIB;

/** Maximum number of reads while the log begins other epochs. */
const MAX_ATTEMPTS = 3;

/** The messages to read. */
export type HistoryRange =
  | { readonly last: number }
  | {
      /** They follow this position. */
      readonly after: ResumePoint;
      readonly limit: number;
    };

export interface History {
  readonly epoch: string;
  readonly entries: readonly LogEntry[];
  /** Size of the records. */
  readonly bytes: number;
  /** Messages that the client has asked for, and that the log does not have. */
  readonly gap: Gap | undefined;
  /** Whether there are later messages. */
  readonly hasMore: boolean;
}

/**
 * Reads retained messages: the newest ones, or those after a position, up to a size.
 * @param maxBytes maximum size of the records, except for a single larger message.
 * @throws if the log cannot be read.
 */
export async function readHistory(
  log: MessageLog,
  channel: string,
  range: HistoryRange,
  maxBytes = MAX_HISTORY_BYTES,
): Promise<History> {
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
    const end = await log.end(channel);
    const history = await readFrom(log, channel, range, end, maxBytes);
    if (history !== undefined) return history;
  }
  throw new Error(`The epoch of the log has changed in each of ${MAX_ATTEMPTS} reads.`);
}

/** Returns `undefined` if the log has begun another epoch since its end was read: the end is then unknown. */
async function readFrom(
  log: MessageLog,
  channel: string,
  range: HistoryRange,
  end: LogPosition,
  maxBytes: number,
): Promise<History | undefined> {
  const isLast = "last" in range;
  const wanted: LogPosition = isLast
    ? { epoch: end.epoch, next: Math.max(1, end.next - range.last) }
    : { epoch: range.after.epoch, next: Math.min(range.after.offset + 1, Number.MAX_SAFE_INTEGER) };
  const limit = isLast ? range.last : range.limit;

  const entries: LogEntry[] = [];
  let bytes = 0;
  let position = wanted;
  let start: LogPosition | undefined;
  while (entries.length < limit && bytes < maxBytes) {
    const page = await log.read(channel, position, Math.min(PAGE_BYTES, maxBytes - bytes));
    start ??= page.from;
    if (start.epoch !== end.epoch) return undefined;
    // The log has dropped entries meanwhile. The next request reports them.
    if (page.from.epoch !== start.epoch || (entries.length > 0 && page.from.next !== position.next)) break;
    const taken = page.entries.slice(0, limit - entries.length);
    for (const { record } of taken) bytes += Buffer.byteLength(record);
    entries.push(...taken);
    position = { epoch: start.epoch, next: page.from.next + taken.length };
    if (taken.length === 0 || position.next >= end.next) break;
  }
  const from = start ?? end;
  return {
    epoch: from.epoch,
    entries,
    bytes,
    gap: isLast ? undefined : findGap(wanted, from),
    hasMore: position.next < end.next,
  };
}

/** Returns the messages between the position that was requested and the one that the log has. */
function findGap(wanted: LogPosition, from: LogPosition): Gap | undefined {
  const { epoch, next } = wanted;
  if (epoch !== from.epoch) return { epoch, from: next };
  if (from.next > next) return { epoch, from: next, to: from.next - 1 };
  // The client names a message that the log does not have.
  return from.next < next ? { epoch, from: from.next } : undefined;
}
