/** The retained messages of a channel, read from the log once: without a subscription. */
import type { LogEntry, LogPage, LogPosition, MessageLog } from "../log/log.ts";
import { unpackRecord } from "../log/record.ts";
import { MAX_LAST } from "../wire/messages.ts";
import type { Gap } from "../wire/messages.ts";
import type { ResumePoint } from "./cursor.ts";

/** Maximum bytes of the records of a page. */
const PAGE_BYTES = 64 * 1024;

/** Maximum characters of the records of a result. A single larger message can exceed it. */
const MAX_HISTORY_LENGTH = 4 * 1024 * 1024;

/** Up to `last` of the newest messages, or up to `limit` messages after a resume point. */
export type HistoryStart = { readonly last: number } | (ResumePoint & { readonly limit?: number });

type ReadableLog = Pick<MessageLog, "end" | "read">;

export interface HistoryEntry {
  readonly offset: number;
  /** The published value as canonical JSON. */
  readonly payload: string;
  /** The subject of the publisher; `undefined` if there is none. */
  readonly from: string | undefined;
}

export interface ChannelHistory {
  /** The epoch of all offsets. */
  readonly epoch: string;
  /** Consecutive messages. */
  readonly entries: readonly HistoryEntry[];
  /** Messages after the resume point that are not retained. */
  readonly gap: Gap | undefined;
}

/**
 * Reads retained messages. A result has at most `MAX_LAST` messages and 4 Mi characters: the newest ones for `last`, and the oldest ones
 * after a resume point.
 * @throws if the log cannot be read.
 */
export function readHistory(log: ReadableLog, channel: string, start: HistoryStart): Promise<ChannelHistory> {
  return "last" in start ? readNewest(log, channel, start.last) : readAfter(log, channel, start);
}

async function readNewest(log: ReadableLog, channel: string, last: number): Promise<ChannelHistory> {
  const end = await log.end(channel);
  let { epoch } = end;
  let entries: LogEntry[] = [];
  let length = 0;
  const from = { epoch, next: Math.max(1, end.next - Math.min(last, MAX_LAST)) };
  for await (const page of pagesFrom(log, channel, from)) {
    if (page.from.epoch !== epoch || page.from.next !== (nextOf(entries) ?? page.from.next)) {
      // The log has dropped what is between them.
      ({ epoch } = page.from);
      entries = [];
      length = 0;
    }
    for (const entry of page.entries) {
      entries.push(entry);
      length += entry.record.length;
      while (entries.length > 1 && (length > MAX_HISTORY_LENGTH || entries.length > last))
        length -= entries.shift()?.record.length ?? 0;
    }
    if (epoch !== end.epoch || (nextOf(entries) ?? end.next) >= end.next) break;
  }
  return { epoch, entries: entries.map(unpack), gap: undefined };
}

async function readAfter(
  log: ReadableLog,
  channel: string,
  { epoch, offset, limit = MAX_LAST }: ResumePoint & { readonly limit?: number },
): Promise<ChannelHistory> {
  const wanted = { epoch, next: offset + 1 };
  const max = Math.min(limit, MAX_LAST);
  const entries: LogEntry[] = [];
  let first: LogPosition | undefined;
  let length = 0;
  for await (const { from, entries: found } of pagesFrom(log, channel, wanted)) {
    first ??= from;
    // The log has dropped what follows. The next call returns the gap.
    if (from.epoch !== first.epoch || from.next !== (nextOf(entries) ?? first.next)) break;
    for (const entry of found) {
      if (entries.length === max || (entries.length > 0 && length + entry.record.length > MAX_HISTORY_LENGTH))
        break;
      entries.push(entry);
      length += entry.record.length;
    }
    if (entries.length === max || length >= MAX_HISTORY_LENGTH) break;
  }
  const from = first ?? wanted;
  return { epoch: from.epoch, entries: entries.map(unpack), gap: gapBetween(wanted, from) };
}

/** Reads pages up to the end of the channel. */
async function* pagesFrom(log: ReadableLog, channel: string, start: LogPosition): AsyncGenerator<LogPage> {
  let position = start;
  for (;;) {
    const page = await log.read(channel, position, PAGE_BYTES);
    yield page;
    if (page.entries.length === 0) return;
    position = { epoch: page.from.epoch, next: page.from.next + page.entries.length };
  }
}

/** Returns the offset after the last entry; `undefined` if there is none. */
function nextOf(entries: readonly LogEntry[]): number | undefined {
  const last = entries.at(-1);
  return last === undefined ? undefined : last.offset + 1;
}

function unpack({ offset, record }: LogEntry): HistoryEntry {
  return { offset, ...unpackRecord(record) };
}

/** Returns what is missing between a requested position and the oldest retained one. */
function gapBetween(wanted: LogPosition, from: LogPosition): Gap | undefined {
  const gap = { epoch: wanted.epoch, from: wanted.next };
  if (wanted.epoch !== from.epoch) return gap;
  return from.next > wanted.next ? { ...gap, to: from.next - 1 } : undefined;
}
