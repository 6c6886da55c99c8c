/** Groups 1 to 5. */
import { Opcode } from "../../../../app/src/wire/frame.ts";
import { NOT_UTF_8 } from "./echoServer.ts";
import { expect, HELLO, PROTOCOL_ERROR, READS_BINARY_AS_TEXT, send } from "./frames.ts";
import type { AutobahnCase } from "./frames.ts";
import { hex } from "./utf8.ts";

const LENGTHS = [0, 125, 126, 127, 128, 65_535, 65_536];
export const FRAMING: readonly AutobahnCase[] = LENGTHS.flatMap((length): AutobahnCase[] => {
  const payload = "*".repeat(length);
  const invalid = Buffer.alloc(length, 0xfe);
  const echo = expect.text(length === 0 ? "" : NOT_UTF_8);
  return [
    ["1.1", `a text of ${length} bytes`, [send.text(payload)], [expect.text(payload)]],
    ["1.2", `a binary message of ${length} bytes`, [send.binary(invalid)], [echo], READS_BINARY_AS_TEXT],
  ];
});

const TEN_PINGS = Array.from({ length: 10 }, (_, index) => `payload-${index}`);
export const PINGS: readonly AutobahnCase[] = [
  ["2.1", "a ping without a payload", [send.ping()], [expect.pong()]],
  ["2.2", "a ping with a text", [send.ping(HELLO)], [expect.pong(HELLO)]],
  [
    "2.3",
    "a ping with bytes that are not UTF-8",
    [send.ping(hex("00fffefdfcfb00ff"))],
    [expect.pong(hex("00fffefdfcfb00ff"))],
  ],
  [
    "2.4, 2.6",
    "a ping of 125 bytes",
    [send.ping(Buffer.alloc(125, 0xfe))],
    [expect.pong(Buffer.alloc(125, 0xfe))],
  ],
  ["2.5", "a ping of 126 bytes", [send.ping("x".repeat(126))], PROTOCOL_ERROR],
  ["2.7", "a pong without a payload", [send.pong()], []],
  ["2.8", "a pong with a payload", [send.pong("unsolicited")], []],
  ["2.9", "a pong, then a ping", [send.pong("unsolicited"), send.ping("ping")], [expect.pong("ping")]],
  ["2.10, 2.11", "ten pings", TEN_PINGS.map(send.ping), TEN_PINGS.map(expect.pong)],
];

export const RESERVED_BITS: readonly AutobahnCase[] = [
  ["3.1", "a text with RSV 1", [rsv(Opcode.text, 1)], PROTOCOL_ERROR],
  [
    "3.2 to 3.4",
    "a text, a text with RSV 2 or more, a ping",
    [send.text(HELLO), rsv(Opcode.text, 2), send.ping()],
    [expect.text(HELLO), ...PROTOCOL_ERROR],
  ],
  ["3.5", "a binary message with RSV 5", [rsv(Opcode.binary, 5)], PROTOCOL_ERROR],
  ["3.6", "a ping with RSV 6", [rsv(Opcode.ping, 6)], PROTOCOL_ERROR],
  ["3.7", "a Close frame with RSV 7", [rsv(Opcode.close, 7, "")], PROTOCOL_ERROR],
];

export const OPCODES: readonly AutobahnCase[] = [3, 4, 5, 6, 7, 11, 12, 13, 14, 15].flatMap(
  (opcode): AutobahnCase[] => {
    const id = opcode < 8 ? `4.1.${opcode - 2}` : `4.2.${opcode - 10}`;
    const what = `the reserved opcode ${opcode}`;
    return [
      [id, what, [send.frame(opcode)], PROTOCOL_ERROR],
      [
        id,
        `a text, ${what} with a payload, a ping`,
        [send.text(HELLO), send.frame(opcode, HELLO), send.ping()],
        [expect.text(HELLO), ...PROTOCOL_ERROR],
      ],
    ];
  },
);

export const FRAGMENTATION: readonly AutobahnCase[] = [
  ["5.1", "a ping in fragments", [send.first("1", Opcode.ping), send.last("2")], PROTOCOL_ERROR],
  ["5.2", "a pong in fragments", [send.first("1", Opcode.pong), send.last("2")], PROTOCOL_ERROR],
  ["5.3 to 5.5", "a text in two fragments", [send.first("1"), send.last("2")], [expect.text("12")]],
  [
    "5.6 to 5.8",
    "a ping between two fragments",
    [send.first("1"), send.ping("ping"), send.last("2")],
    [expect.pong("ping"), expect.text("12")],
  ],
  [
    "5.9 to 5.11",
    "a final continuation without a message",
    [send.last("1"), send.text(HELLO)],
    PROTOCOL_ERROR,
  ],
  ["5.12 to 5.14", "a continuation without a message", [send.middle("1"), send.text(HELLO)], PROTOCOL_ERROR],
  [
    "5.15",
    "a continuation after a complete message",
    [send.first("1"), send.last("2"), send.middle("3"), send.text("4")],
    [expect.text("12"), ...PROTOCOL_ERROR],
  ],
  [
    "5.16",
    "a continuation before a message in fragments",
    [send.middle("1"), send.first("2"), send.last("3")],
    PROTOCOL_ERROR,
  ],
  [
    "5.17",
    "a final continuation before a message in fragments",
    [send.last("1"), send.first("2"), send.last("3")],
    PROTOCOL_ERROR,
  ],
  ["5.18", "a text within a message in fragments", [send.first("1"), send.text("2")], PROTOCOL_ERROR],
  [
    "5.19, 5.20",
    "two pings between five fragments",
    [
      ...[send.first("1"), send.middle("2"), send.ping("a"), send.middle("3"), send.middle("4")],
      ...[send.ping("b"), send.last("5")],
    ],
    [expect.pong("a"), expect.pong("b"), expect.text("12345")],
  ],
];

function rsv(opcode: number, bits: number, payload = HELLO): Buffer {
  return send.frame(opcode, payload, { rsv: bits });
}
