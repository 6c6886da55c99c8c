/** Bounds of texts in UTF-8. */

/** Maximum number of UTF-8 bytes of one UTF-16 code unit. */
const MAX_UTF8_BYTES = 3;

/** Whether a text has more bytes than allowed. Most texts are so short that their bytes need not be counted. */
export function exceedsBytes(text: string, maxBytes: number): boolean {
  return text.length * MAX_UTF8_BYTES > maxBytes && Buffer.byteLength(text) > maxBytes;
}

/**
 * Whether a value is a text of 1 to `maxBytes` bytes in well-formed Unicode. A store replaces ill-formed Unicode, which could make
 * two texts equal.
 */
export function isText(value: unknown, maxBytes: number): value is string {
  return (
    typeof value === "string" && value !== "" && value.isWellFormed() && Buffer.byteLength(value) <= maxBytes
  );
}
