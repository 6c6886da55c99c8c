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
  ...[2 ** 16, 2 ** 18, LARGE.length].flatMap((length) =>
    (["text", "binary"] as const).map((kind) => ({
      id: kind === "text" ? "9.1" : "9.2",
      what: `a ${kind} message of ${length} bytes`,
      sends: [send[kind](LARGE.slice(0, length))],
      receives: [expect.text(LARGE.slice(0, length))],
      ...(kind === "binary" && { deviation: READS_BINARY_AS_TEXT }),
    })),
  ),
  ...[1024, 4096, 2 ** 14, 2 ** 16, 2 ** 18].map((size) => ({
    id: "9.3",
    what: `1 MiB in fragments of ${size} bytes`,
    sends: send.fragments(LARGE, size),
    receives: [expect.text(LARGE)],
  })),
  {
    id: "9.4",
    what: "a binary message in fragments of 1024 bytes",
    sends: send.fragments(LARGE, 1024, Opcode.binary),
    receives: [expect.text(LARGE)],
    deviation: READS_BINARY_AS_TEXT,
  },
  {
    id: "9.1",
    what: "a text above the maximum",
    sends: [send.text("x".repeat(MAX_PAYLOAD_BYTES + 1))],
    receives: [expect.close(1009)],
    deviation: LIMITED,
  },
  {
    id: "9.3",
    what: "a text in more fragments than the maximum",
    sends: send.fragments("x".repeat(MAX_FRAGMENTS + 1), 1),
    receives: [expect.close(1008)],
    deviation: LIMITED,
  },
  { id: "9.7, 9.8", what: "200 texts", sends: MANY.map(send.text), receives: MANY.map(expect.text) },
];

export const AUTO_FRAGMENTATION: readonly AutobahnCase[] = [
  {
    id: "10.1.1",
    what: "65,536 bytes in fragments of 1300 bytes",
    sends: send.fragments("*".repeat(2 ** 16), 1300),
    receives: [expect.text("*".repeat(2 ** 16))],
  },
];
