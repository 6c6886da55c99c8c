/** Groups 9 and 10, with smaller messages than the suite's. */
import { MAX_FRAGMENTS } from "../../../../app/src/connection/webSocket/libraryReceiver.ts";
import { Opcode } from "../../../../app/src/wire/frame.ts";
import { MAX_PAYLOAD_BYTES } from "./echoServer.ts";
import { expect, READS_BINARY_AS_TEXT, send } from "./frames.ts";
import type { AutobahnCase } from "./frames.ts";

const LIMITED = "The suite has no maximum.";

const LARGE = "BAsd7&jh23".repeat(MAX_PAYLOAD_BYTES / 10);
const MANY = Array.from({ length: 200 }, (_, index) => "x".repeat(index));
export const LIMITS: readonly AutobahnCase[] = [
  ...[2 ** 16, 2 ** 18, LARGE.length].flatMap((length): AutobahnCase[] => {
    const payload = LARGE.slice(0, length);
    const echo = [expect.text(payload)];
    return [
      ["9.1", `a text of ${length} bytes`, [send.text(payload)], echo],
      ["9.2", `a binary message of ${length} bytes`, [send.binary(payload)], echo, READS_BINARY_AS_TEXT],
    ];
  }),
  ...[1024, 4096, 2 ** 14, 2 ** 16, 2 ** 18].map((size): AutobahnCase => {
    return ["9.3", `1 MiB in fragments of ${size} bytes`, send.fragments(LARGE, size), [expect.text(LARGE)]];
  }),
  [
    "9.4",
    "a binary message in fragments of 1024 bytes",
    send.fragments(LARGE, 1024, Opcode.binary),
    [expect.text(LARGE)],
    READS_BINARY_AS_TEXT,
  ],
  [
    "9.1",
    "a text above the maximum",
    [send.text("x".repeat(MAX_PAYLOAD_BYTES + 1))],
    [expect.close(1009)],
    LIMITED,
  ],
  [
    "9.3",
    "a text in more fragments than the maximum",
    send.fragments("x".repeat(MAX_FRAGMENTS + 1), 1),
    [expect.close(1008)],
    LIMITED,
  ],
  ["9.7, 9.8", "200 texts", MANY.map(send.text), MANY.map(expect.text)],
];

export const AUTO_FRAGMENTATION: readonly AutobahnCase[] = [
  [
    "10.1.1",
    "65,536 bytes in fragments of 1300 bytes",
    send.fragments("*".repeat(2 ** 16), 1300),
    [expect.text("*".repeat(2 ** 16))],
  ],
];
