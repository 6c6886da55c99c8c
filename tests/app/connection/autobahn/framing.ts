/** Groups 1 to 5. */
import { Opcode } from "../../../../app/src/wire/frame.ts";
import { NOT_UTF_8 } from "./echoServer.ts";
import { expect, HELLO, PROTOCOL_ERROR, READS_BINARY_AS_TEXT, send } from "./frames.ts";
import type { AutobahnCase } from "./frames.ts";
import { hex } from "./utf8.ts";

const LENGTHS = [0, 125, 126, 127, 128, 65_535, 65_536];
export const FRAMING: readonly AutobahnCase[] = LENGTHS.flatMap((length) => {
  const payload = "*".repeat(length);
  const invalid = Buffer.alloc(length, 0xfe);
  const echo = expect.text(length === 0 ? "" : NOT_UTF_8);
  return [
    {
      id: "1.1",
      what: `a text of ${length} bytes`,
      sends: [send.text(payload)],
      receives: [expect.text(payload)],
    },
    {
      id: "1.2",
      what: `a binary message of ${length} bytes`,
      sends: [send.binary(invalid)],
      receives: [echo],
      deviation: READS_BINARY_AS_TEXT,
    },
  ];
});

const TEN_PINGS = Array.from({ length: 10 }, (_, index) => `payload-${index}`);
export const PINGS: readonly AutobahnCase[] = [
  { id: "2.1", what: "a ping without a payload", sends: [send.ping()], receives: [expect.pong()] },
  { id: "2.2", what: "a ping with a text", sends: [send.ping(HELLO)], receives: [expect.pong(HELLO)] },
  {
    id: "2.3",
    what: "a ping with bytes that are not UTF-8",
    sends: [send.ping(hex("00fffefdfcfb00ff"))],
    receives: [expect.pong(hex("00fffefdfcfb00ff"))],
  },
  {
    id: "2.4, 2.6",
    what: "a ping of 125 bytes",
    sends: [send.ping(Buffer.alloc(125, 0xfe))],
    receives: [expect.pong(Buffer.alloc(125, 0xfe))],
  },
  { id: "2.5", what: "a ping of 126 bytes", sends: [send.ping("x".repeat(126))], receives: PROTOCOL_ERROR },
  { id: "2.7", what: "a pong without a payload", sends: [send.pong()], receives: [] },
  { id: "2.8", what: "a pong with a payload", sends: [send.pong("unsolicited")], receives: [] },
  {
    id: "2.9",
    what: "a pong, then a ping",
    sends: [send.pong("unsolicited"), send.ping("ping")],
    receives: [expect.pong("ping")],
  },
  {
    id: "2.10, 2.11",
    what: "ten pings",
    sends: TEN_PINGS.map(send.ping),
    receives: TEN_PINGS.map(expect.pong),
  },
];

export const RESERVED_BITS: readonly AutobahnCase[] = [
  { id: "3.1", what: "a text with RSV 1", sends: [rsv(Opcode.text, 1)], receives: PROTOCOL_ERROR },
  {
    id: "3.2 to 3.4",
    what: "a text, a text with RSV 2 or more, a ping",
    sends: [send.text(HELLO), rsv(Opcode.text, 2), send.ping()],
    receives: [expect.text(HELLO), ...PROTOCOL_ERROR],
  },
  {
    id: "3.5",
    what: "a binary message with RSV 5",
    sends: [rsv(Opcode.binary, 5)],
    receives: PROTOCOL_ERROR,
  },
  { id: "3.6", what: "a ping with RSV 6", sends: [rsv(Opcode.ping, 6)], receives: PROTOCOL_ERROR },
  {
    id: "3.7",
    what: "a Close frame with RSV 7",
    sends: [rsv(Opcode.close, 7, "")],
    receives: PROTOCOL_ERROR,
  },
];

export const OPCODES: readonly AutobahnCase[] = [3, 4, 5, 6, 7, 11, 12, 13, 14, 15].flatMap((opcode) => {
  const id = opcode < 8 ? `4.1.${opcode - 2}` : `4.2.${opcode - 10}`;
  const what = `the reserved opcode ${opcode}`;
  return [
    { id, what, sends: [send.frame(opcode)], receives: PROTOCOL_ERROR },
    {
      id,
      what: `a text, ${what} with a payload, a ping`,
      sends: [send.text(HELLO), send.frame(opcode, HELLO), send.ping()],
      receives: [expect.text(HELLO), ...PROTOCOL_ERROR],
    },
  ];
});

export const FRAGMENTATION: readonly AutobahnCase[] = [
  {
    id: "5.1",
    what: "a ping in fragments",
    sends: [send.first("1", Opcode.ping), send.last("2")],
    receives: PROTOCOL_ERROR,
  },
  {
    id: "5.2",
    what: "a pong in fragments",
    sends: [send.first("1", Opcode.pong), send.last("2")],
    receives: PROTOCOL_ERROR,
  },
  {
    id: "5.3 to 5.5",
    what: "a text in two fragments",
    sends: [send.first("1"), send.last("2")],
    receives: [expect.text("12")],
  },
  {
    id: "5.6 to 5.8",
    what: "a ping between two fragments",
    sends: [send.first("1"), send.ping("ping"), send.last("2")],
    receives: [expect.pong("ping"), expect.text("12")],
  },
  {
    id: "5.9 to 5.11",
    what: "a final continuation without a message",
    sends: [send.last("1"), send.text(HELLO)],
    receives: PROTOCOL_ERROR,
  },
  {
    id: "5.12 to 5.14",
    what: "a continuation without a message",
    sends: [send.middle("1"), send.text(HELLO)],
    receives: PROTOCOL_ERROR,
  },
  {
    id: "5.15",
    what: "a continuation after a complete message",
    sends: [send.first("1"), send.last("2"), send.middle("3"), send.text("4")],
    receives: [expect.text("12"), ...PROTOCOL_ERROR],
  },
  {
    id: "5.16",
    what: "a continuation before a message in fragments",
    sends: [send.middle("1"), send.first("2"), send.last("3")],
    receives: PROTOCOL_ERROR,
  },
  {
    id: "5.17",
    what: "a final continuation before a message in fragments",
    sends: [send.last("1"), send.first("2"), send.last("3")],
    receives: PROTOCOL_ERROR,
  },
  {
    id: "5.18",
    what: "a text within a message in fragments",
    sends: [send.first("1"), send.text("2")],
    receives: PROTOCOL_ERROR,
  },
  {
    id: "5.19, 5.20",
    what: "two pings between five fragments",
    sends: [
      ...[send.first("1"), send.middle("2"), send.ping("a"), send.middle("3"), send.middle("4")],
      ...[send.ping("b"), send.last("5")],
    ],
    receives: [expect.pong("a"), expect.pong("b"), expect.text("12345")],
  },
];

function rsv(opcode: number, bits: number, payload = HELLO): Buffer {
  return send.frame(opcode, payload, { rsv: bits });
}
