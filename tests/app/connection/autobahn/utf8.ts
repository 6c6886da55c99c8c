/**
 * Group 6. The sequences of 6.5 to 6.23 are from Markus Kuhn's UTF-8 decoder capability and stress test.
 * @see https://www.cl.cam.ac.uk/~mgk25/ucs/examples/UTF-8-test.txt
 */
import { expect, HELLO, INVALID_TEXT, send } from "./frames.ts";
import type { AutobahnCase } from "./frames.ts";

interface Utf8Group {
  readonly id: string;
  readonly what: string;
  readonly valid?: readonly Buffer[];
  readonly invalid?: readonly Buffer[];
}

/** "κόσμε" */
const KOSME = hex("cebae1bdb9cf83cebcceb5");

/** The lengths at which {@link KOSME} is cut between two code points. */
const WHOLE_PREFIXES: ReadonlySet<number> = new Set([2, 5, 7, 9, 11]);

const PREFIXES = Array.from({ length: KOSME.length }, (_, index) => KOSME.subarray(0, index + 1));

const TRUNCATED = "c0 e080 f08080 f8808080 fc80808080 df efbf f7bfbf fbbfbfbf fdbfbfbfbf";

const UTF8_GROUPS: readonly Utf8Group[] = [
  {
    id: "6.5",
    what: "text with code points of 1 to 4 bytes",
    valid: [...Array.from("$¢€𤭢", (character) => Buffer.from(`hello${character}world`)), KOSME],
  },
  {
    id: "6.6",
    what: "all prefixes of a text",
    valid: PREFIXES.filter(({ length }) => WHOLE_PREFIXES.has(length)),
    invalid: PREFIXES.filter(({ length }) => !WHOLE_PREFIXES.has(length)),
  },
  { id: "6.7", what: "the first code point of each length", valid: all("00 c280 e0a080 f0908080") },
  { id: "6.8", what: "the first code points of 5 and 6 bytes", invalid: all("f888808080 fc8480808080") },
  { id: "6.9", what: "the last code point of each length", valid: all("7f dfbf efbfbf f48fbfbf") },
  { id: "6.10", what: "code points above U+10FFFF", invalid: all("f7bfbfbf fbbfbfbfbf fdbfbfbfbfbf") },
  {
    id: "6.11",
    what: "other boundaries",
    valid: all("ed9fbf ee8080 efbfbd f48fbfbf"),
    invalid: all("f4908080"),
  },
  {
    id: "6.12",
    what: "continuation bytes without a start",
    invalid: [...all("80 bf 80bf 80bf80 80bf80bf 80bf80bf80 80bf80bf80bf"), bytes(0x80, 0xbe)],
  },
  {
    id: "6.13",
    what: "start bytes without a continuation",
    invalid: [
      ...[bytes(0xc0, 0xde, " "), bytes(0xe0, 0xee, " "), bytes(0xf0, 0xf6, " ")],
      ...[bytes(0xf8, 0xfa, " "), bytes(0xfc, 0xfc, " ")],
    ],
  },
  { id: "6.14", what: "sequences without the last byte", invalid: all(TRUNCATED) },
  { id: "6.15", what: "truncated sequences in a row", invalid: [hex(TRUNCATED.replaceAll(" ", ""))] },
  { id: "6.16", what: "impossible bytes", invalid: all("fe ff fefeffff") },
  { id: "6.17", what: "overlong ASCII", invalid: all("c0af e080af f08080af f8808080af fc80808080af") },
  {
    id: "6.18",
    what: "the longest overlong sequences",
    invalid: all("c1bf e09fbf f08fbfbf f887bfbfbf fc83bfbfbfbf"),
  },
  { id: "6.19", what: "overlong NUL", invalid: all("c080 e08080 f0808080 f880808080 fc8080808080") },
  {
    id: "6.20",
    what: "single UTF-16 surrogates",
    invalid: all("eda080 edadbf edae80 edafbf edb080 edbe80 edbfbf"),
  },
  {
    id: "6.21",
    what: "paired UTF-16 surrogates",
    invalid: ["eda080", "edadbf", "edae80", "edafbf"].flatMap((high) => all(`${high}edb080 ${high}edbfbf`)),
  },
  { id: "6.22", what: "noncharacters", valid: [...all("efbfbe efbfbf"), ...noncharacters()] },
  { id: "6.23", what: "specials", valid: all("efbfb9 efbfba efbfbb efbfbc efbfbd efbfbe efbfbf") },
];

const CHECKS_WHOLE_TEXT =
  "UTF-8 is checked when the message is complete. The suite rates this as non-strict.";

const GREETING = "Hello-µ@ßöäüàá-UTF-8!!";
/** Text with a surrogate. */
export const INVALID_BYTES = Buffer.concat([KOSME, hex("eda080"), Buffer.from("edited")]);
export const UTF8: readonly AutobahnCase[] = [
  { id: "6.1.1", what: "an empty text", sends: [send.text("")], receives: [expect.text("")] },
  {
    id: "6.1.2",
    what: "three empty fragments",
    sends: [send.first(""), send.middle(""), send.last("")],
    receives: [expect.text("")],
  },
  {
    id: "6.1.3",
    what: "a fragment between two empty ones",
    sends: [send.first(""), send.middle(HELLO), send.last("")],
    receives: [expect.text(HELLO)],
  },
  { id: "6.2.1", what: "UTF-8", sends: [send.text(GREETING)], receives: [expect.text(GREETING)] },
  {
    id: "6.2.2",
    what: "UTF-8 in two fragments",
    sends: [send.first("Hello-µ@ßöä"), send.last("üàá-UTF-8!!")],
    receives: [expect.text(GREETING)],
  },
  {
    id: "6.2.3",
    what: "UTF-8 in fragments of one byte",
    sends: send.fragments(GREETING, 1),
    receives: [expect.text(GREETING)],
  },
  {
    id: "6.2.4",
    what: "a Greek text in fragments of one byte",
    sends: send.fragments(KOSME, 1),
    receives: [expect.text(KOSME)],
  },
  { id: "6.3.1", what: "invalid UTF-8", sends: [send.text(INVALID_BYTES)], receives: INVALID_TEXT },
  {
    id: "6.3.2",
    what: "invalid UTF-8 in fragments of one byte",
    sends: send.fragments(INVALID_BYTES, 1),
    receives: INVALID_TEXT,
  },
  {
    id: "6.4",
    what: "invalid UTF-8 in the second of three fragments, then a ping",
    sends: [send.first(KOSME), send.middle(hex("f4908080")), send.ping(), send.last("edited")],
    receives: [expect.pong(), ...INVALID_TEXT],
    deviation: CHECKS_WHOLE_TEXT,
  },
  ...UTF8_GROUPS.flatMap(({ id, what, valid = [], invalid = [] }) => [
    ...valid.map((bytes) => utf8Case(id, what, bytes, [expect.text(bytes)])),
    ...invalid.map((bytes) => utf8Case(id, what, bytes, INVALID_TEXT)),
  ]),
];

function utf8Case(id: string, what: string, bytes: Buffer, receives: readonly string[]): AutobahnCase {
  return { id, what: `${what}: ${bytes.toString("hex")}`, sends: [send.text(bytes)], receives };
}

/** U+nFFFE and U+nFFFF of all planes but the first. */
function noncharacters(): readonly Buffer[] {
  return Array.from({ length: 16 }, (_, plane) =>
    [0xfffe, 0xffff].map((low) => Buffer.from(String.fromCodePoint((plane + 1) * 0x10000 + low))),
  ).flat();
}

function all(sequences: string): readonly Buffer[] {
  return sequences.split(" ").map(hex);
}

export function hex(digits: string): Buffer {
  return Buffer.from(digits, "hex");
}

/** @param after follows each byte. */
function bytes(first: number, last: number, after = ""): Buffer {
  const parts = Array.from({ length: last - first + 1 }, (_, index) =>
    Buffer.concat([Buffer.from([first + index]), Buffer.from(after)]),
  );
  return Buffer.concat(parts);
}
