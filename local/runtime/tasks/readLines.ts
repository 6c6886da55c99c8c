/** Lines of the output of a process. */
import type { Readable } from "node:stream";
import { StringDecoder } from "node:string_decoder";

/** Longer lines are cut. A line of the server has 2,000 bytes. */
export const MAX_LINE_BYTES = 16_384;

const NEWLINE = 0x0a;

/**
 * Reports each line of a stream of UTF-8, without its end, which is `\n`, `\r\n` or the end of the stream.
 * A line of more than {@link MAX_LINE_BYTES} loses the rest, and ends with "…" instead.
 */
export function readLines(stream: Readable, onLine: (line: string) => void): void {
  const line = Buffer.alloc(MAX_LINE_BYTES);
  let length = 0;
  let isCut = false;

  function add(piece: Buffer): void {
    const copied = piece.copy(line, length);
    length += copied;
    isCut ||= copied < piece.length;
  }

  function endLine(): void {
    const bytes = line.subarray(0, length);
    // The decoder leaves out a last character that is cut.
    onLine(isCut ? `${new StringDecoder().write(bytes)}…` : bytes.toString().replace(/\r$/, ""));
    length = 0;
    isCut = false;
  }

  stream.on("data", (chunk: Buffer) => {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      add(chunk.subarray(start, end));
      endLine();
      start = end + 1;
    }
    add(chunk.subarray(start));
  });
  stream.on("end", () => {
    if (length > 0) endLine();
  });
}
