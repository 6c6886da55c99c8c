/**
 * Group 6. The sequences of 6.5 to 6.23 are from Markus Kuhn's UTF-8 decoder capability and stress test.
 * @see https://www.cl.cam.ac.uk/~mgk25/ucs/examples/UTF-8-test.txt
 */
import { expect, HELLO, INVALID_TEXT, send } from "./frames.ts";
import type { AutobahnCase } from "./frames.ts";

type Utf8Group = readonly [id: string, what: string, valid: readonly Buffer[], invalid: readonly Buffer[]];

/** "κόσμε" */
const KOSME = hex("cebae1bdb9cf83cebcceb5");

/** The lengths at which {@link KOSME} is cut between two code points. */
const WHOLE_PREFIXES: ReadonlySet<number> = new Set([2, 5, 7, 9, 11]);

const PREFIXES = Array.from({ length: KOSME.length }, (_, index) => KOSME.subarray(0, index + 1));

const TRUNCATED = "c0 e080 f08080 f8808080 fc80808080 df efbf f7bfbf fbbfbfbf fdbfbfbfbf";

const UTF8_GROUPS: readonly Utf8Group[] = [
  [
    "6.5",
    "text with code points of 1 to 4 bytes",
    [...Array.from("$¢€𤭢", (character) => Buffer.from(`hello${character}world`)), KOSME],
    [],
  ],
  [
    "6.6",
    "all prefixes of a text",
    PREFIXES.filter(({ length }) => WHOLE_PREFIXES.has(length)),
    PREFIXES.filter(({ length }) => !WHOLE_PREFIXES.has(length)),
  ],
  ["6.7", "the first code point of each length", all("00 c280 e0a080 f0908080"), []],
  ["6.8", "the first code points of 5 and 6 bytes", [], all("f888808080 fc8480808080")],
  ["6.9", "the last code point of each length", all("7f dfbf efbfbf f48fbfbf"), []],
  ["6.10", "code points above U+10FFFF", [], all("f7bfbfbf fbbfbfbfbf fdbfbfbfbfbf")],
  ["6.11", "other boundaries", all("ed9fbf ee8080 efbfbd f48fbfbf"), all("f4908080")],
  [
    "6.12",
    "continuation bytes without a start",
    [],
    [...all("80 bf 80bf 80bf80 80bf80bf 80bf80bf80 80bf80bf80bf"), bytes(0x80, 0xbe)],
  ],
  [
    "6.13",
    "start bytes without a continuation",
    [],
    [
      ...[bytes(0xc0, 0xde, " "), bytes(0xe0, 0xee, " "), bytes(0xf0, 0xf6, " ")],
      ...[bytes(0xf8, 0xfa, " "), bytes(0xfc, 0xfc, " ")],
    ],
  ],
  ["6.14", "sequences without the last byte", [], all(TRUNCATED)],
  ["6.15", "truncated sequences in a row", [], [hex(TRUNCATED.replaceAll(" ", ""))]],
  ["6.16", "impossible bytes", [], all("fe ff fefeffff")],
  ["6.17", "overlong ASCII", [], all("c0af e080af f08080af f8808080af fc80808080af")],
  ["6.18", "the longest overlong sequences", [], all("c1bf e09fbf f08fbfbf f887bfbfbf fc83bfbfbfbf")],
  ["6.19", "overlong NUL", [], all("c080 e08080 f0808080 f880808080 fc8080808080")],
  ["6.20", "single UTF-16 surrogates", [], all("eda080 edadbf edae80 edafbf edb080 edbe80 edbfbf")],
  [
    "6.21",
    "paired UTF-16 surrogates",
    [],
    ["eda080", "edadbf", "edae80", "edafbf"].flatMap((high) => all(`${high}edb080 ${high}edbfbf`)),
  ],
  ["6.22", "noncharacters", [...all("efbfbe efbfbf"), ...noncharacters()], []],
  ["6.23", "specials", all("efbfb9 efbfba efbfbb efbfbc efbfbd efbfbe efbfbf"), []],
];

const CHECKS_WHOLE_TEXT =
  "UTF-8 is checked when the message is complete. The suite rates this as non-strict.";

const GREETING = "Hello-µ@ßöäüàá-UTF-8!!";
/** Text with a surrogate. */
export const INVALID_BYTES = Buffer.concat([KOSME, hex("eda080"), Buffer.from("edited")]);
export const UTF8: readonly AutobahnCase[] = [
  ["6.1.1", "an empty text", [send.text("")], [expect.text("")]],
  ["6.1.2", "three empty fragments", [send.first(""), send.middle(""), send.last("")], [expect.text("")]],
  [
    "6.1.3",
    "a fragment between two empty ones",
    [send.first(""), send.middle(HELLO), send.last("")],
    [expect.text(HELLO)],
  ],
  ["6.2.1", "UTF-8", [send.text(GREETING)], [expect.text(GREETING)]],
  [
    "6.2.2",
    "UTF-8 in two fragments",
    [send.first("Hello-µ@ßöä"), send.last("üàá-UTF-8!!")],
    [expect.text(GREETING)],
  ],
  ["6.2.3", "UTF-8 in fragments of one byte", send.fragments(GREETING, 1), [expect.text(GREETING)]],
  ["6.2.4", "a Greek text in fragments of one byte", send.fragments(KOSME, 1), [expect.text(KOSME)]],
  ["6.3.1", "invalid UTF-8", [send.text(INVALID_BYTES)], INVALID_TEXT],
  ["6.3.2", "invalid UTF-8 in fragments of one byte", send.fragments(INVALID_BYTES, 1), INVALID_TEXT],
  [
    "6.4",
    "invalid UTF-8 in the second of three fragments, then a ping",
    [send.first(KOSME), send.middle(hex("f4908080")), send.ping(), send.last("edited")],
    [expect.pong(), ...INVALID_TEXT],
    CHECKS_WHOLE_TEXT,
  ],
  ...UTF8_GROUPS.flatMap(([id, what, valid, invalid]) => [
    ...valid.map((bytes) => utf8Case(id, what, bytes, [expect.text(bytes)])),
    ...invalid.map((bytes) => utf8Case(id, what, bytes, INVALID_TEXT)),
  ]),
];

function utf8Case(id: string, what: string, bytes: Buffer, receives: readonly string[]): AutobahnCase {
  return [id, `${what}: ${bytes.toString("hex")}`, [send.text(bytes)], receives];
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
