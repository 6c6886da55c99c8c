/**
 * The text that a log stores for a message: its value and the subject of its publisher. A log has no knowledge of the parts.
 * Records have no line break, because neither JSON as `JSON.stringify` returns it nor the separator has one.
 */

/** Canonical JSON has no raw tab. */
const SEPARATOR = "\t";

export interface Published {
  /** The published value as canonical JSON. */
  readonly payload: string;
  /** The subject of the publisher's token; `undefined` if there is none. */
  readonly from: string | undefined;
}

/** @param payload canonical JSON. Other text can make the record ambiguous. */
export function packRecord({ payload, from }: Published): string {
  return from === undefined ? payload : payload + SEPARATOR + JSON.stringify(from);
}

/** The inverse of {@link packRecord}. */
export function unpackRecord(record: string): Published {
  const end = record.indexOf(SEPARATOR);
  if (end < 0) return { payload: record, from: undefined };
  return { payload: record.slice(0, end), from: JSON.parse(record.slice(end + 1)) as string };
}
