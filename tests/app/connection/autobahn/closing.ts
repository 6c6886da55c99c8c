/** Group 7. */
import { expect, HELLO, INVALID_TEXT, PROTOCOL_ERROR, send } from "./frames.ts";
import type { AutobahnCase } from "./frames.ts";
import { INVALID_BYTES } from "./utf8.ts";

const NORMAL = [expect.close(1000)];

export const CLOSING: readonly AutobahnCase[] = [
  [
    "7.1.1",
    "a text, then a Close frame",
    [send.text(HELLO), send.close(1000)],
    [expect.text(HELLO), ...NORMAL],
  ],
  ["7.1.2", "two Close frames", [send.close(1000), send.close()], NORMAL],
  ["7.1.3", "a ping after a Close frame", [send.close(1000), send.ping()], NORMAL],
  ["7.1.4", "a text after a Close frame", [send.close(1000), send.text(HELLO)], NORMAL],
  [
    "7.1.5",
    "a Close frame between two fragments",
    [send.first("1"), send.close(1000), send.last("2")],
    NORMAL,
  ],
  [
    "7.1.6",
    "256 KiB, a text, a Close frame, a ping",
    [send.text("x".repeat(2 ** 18)), send.text(HELLO), send.close(1000), send.ping()],
    [expect.text("x".repeat(2 ** 18)), expect.text(HELLO), ...NORMAL],
  ],
  ["7.3.1", "a Close frame without a code", [send.close()], [expect.close()]],
  ["7.3.2", "a Close frame of one byte", [send.close(undefined, "a")], PROTOCOL_ERROR],
  ["7.3.4", "a Close frame with a reason", [send.close(1000, HELLO)], NORMAL],
  ["7.3.5", "a Close frame with a reason of 123 bytes", [send.close(1000, "*".repeat(123))], NORMAL],
  ["7.3.6", "a Close frame with a reason of 124 bytes", [send.close(1000, "*".repeat(124))], PROTOCOL_ERROR],
  ["7.5.1", "a Close frame with a reason that is not UTF-8", [send.close(1000, INVALID_BYTES)], INVALID_TEXT],
  ...[1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999].map(
    (code): AutobahnCase => ["7.7", `the valid close code ${code}`, [send.close(code)], [expect.close(code)]],
  ),
  ...[0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65_535].map((code): AutobahnCase => [
    code < 3000 ? "7.9" : "7.13",
    `the invalid close code ${code}`,
    [send.close(code)],
    PROTOCOL_ERROR,
  ]),
];
