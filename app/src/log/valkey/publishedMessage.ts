/**
 * The messages by which the append script publishes entries. The lines of a message are the id of the first entry, the name of
 * the last entry, and the record of each entry. Neither a name nor a record has a line break.
 */
import type { LogEntry } from "../log.ts";
import { entryId, parseEpoch, parseOffset } from "./valkeyChannel.ts";

const LINE_BREAK = 0x0a;

/** An entry with the bytes of its record in UTF-8. */
export interface MeasuredEntry extends LogEntry {
  readonly bytes: number;
}

/** Consecutive entries of a channel. */
export interface PublishedEntries {
  readonly epoch: number;
  /** Name of the last entry. */
  readonly name: string;
  /** Never empty. */
  readonly entries: readonly MeasuredEntry[];
}

/** @returns `undefined` if the message has not the expected form. */
export function parsePublished(message: Buffer): PublishedEntries | undefined {
  const idEnd = message.indexOf(LINE_BREAK);
  const nameEnd = message.indexOf(LINE_BREAK, idEnd + 1);
  if (idEnd < 0 || nameEnd < 0) return undefined;
  const id = message.toString("latin1", 0, idEnd);
  const first = parseOffset(id);
  const entries: MeasuredEntry[] = [];
  for (let start = nameEnd + 1, isLast = false; !isLast;) {
    const found = message.indexOf(LINE_BREAK, start);
    isLast = found < 0;
    const end = isLast ? message.length : found;
    // A text of its own: a part of the message's text would keep the whole message in memory.
    entries.push({
      offset: first + entries.length,
      record: message.toString("utf8", start, end),
      bytes: end - start,
    });
    start = end + 1;
  }
  const epoch = parseEpoch(id);
  return Number.isSafeInteger(epoch) && Number.isSafeInteger(first)
    ? { epoch, name: message.toString("latin1", idEnd + 1, nameEnd), entries }
    : undefined;
}

/** Returns the message for consecutive entries. @param name that of the last entry. */
export function formatPublished(
  epoch: number,
  first: number,
  name: string,
  records: readonly string[],
): string {
  return [entryId(epoch, first), name, ...records].join("\n");
}
