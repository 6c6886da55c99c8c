/** Group 7. */
import { expect, HELLO, INVALID_TEXT, PROTOCOL_ERROR, send } from "./frames.ts";
import type { AutobahnCase } from "./frames.ts";
import { INVALID_BYTES } from "./utf8.ts";

const NORMAL = [expect.close(1000)];

export const CLOSING: readonly AutobahnCase[] = [
  {
    id: "7.1.1",
    what: "a text, then a Close frame",
    sends: [send.text(HELLO), send.close(1000)],
    receives: [expect.text(HELLO), ...NORMAL],
  },
  { id: "7.1.2", what: "two Close frames", sends: [send.close(1000), send.close()], receives: NORMAL },
  {
    id: "7.1.3",
    what: "a ping after a Close frame",
    sends: [send.close(1000), send.ping()],
    receives: NORMAL,
  },
  {
    id: "7.1.4",
    what: "a text after a Close frame",
    sends: [send.close(1000), send.text(HELLO)],
    receives: NORMAL,
  },
  {
    id: "7.1.5",
    what: "a Close frame between two fragments",
    sends: [send.first("1"), send.close(1000), send.last("2")],
    receives: NORMAL,
  },
  {
    id: "7.1.6",
    what: "256 KiB, a text, a Close frame, a ping",
    sends: [send.text("x".repeat(2 ** 18)), send.text(HELLO), send.close(1000), send.ping()],
    receives: [expect.text("x".repeat(2 ** 18)), expect.text(HELLO), ...NORMAL],
  },
  { id: "7.3.1", what: "a Close frame without a code", sends: [send.close()], receives: [expect.close()] },
  {
    id: "7.3.2",
    what: "a Close frame of one byte",
    sends: [send.close(undefined, "a")],
    receives: PROTOCOL_ERROR,
  },
  {
    id: "7.3.4",
    what: "a Close frame with a reason",
    sends: [send.close(1000, HELLO)],
    receives: NORMAL,
  },
  {
    id: "7.3.5",
    what: "a Close frame with a reason of 123 bytes",
    sends: [send.close(1000, "*".repeat(123))],
    receives: NORMAL,
  },
  {
    id: "7.3.6",
    what: "a Close frame with a reason of 124 bytes",
    sends: [send.close(1000, "*".repeat(124))],
    receives: PROTOCOL_ERROR,
  },
  {
    id: "7.5.1",
    what: "a Close frame with a reason that is not UTF-8",
    sends: [send.close(1000, INVALID_BYTES)],
    receives: INVALID_TEXT,
  },
  ...[1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999].map((code) => ({
    id: "7.7",
    what: `the valid close code ${code}`,
    sends: [send.close(code)],
    receives: [expect.close(code)],
  })),
  ...[0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65_535].map((code) => ({
    id: code < 3000 ? "7.9" : "7.13",
    what: `the invalid close code ${code}`,
    sends: [send.close(code)],
    receives: PROTOCOL_ERROR,
  })),
];
