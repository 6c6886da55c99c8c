/** PROTOCOL.md, and its tables. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

export const PROTOCOL = readFileSync(new URL("../../../PROTOCOL.md", import.meta.url), "utf8");

/** The rows of the table in PROTOCOL.md below a heading, without its head, by cells. */
export function protocolTable(heading: string): string[][] {
  const [, section] = PROTOCOL.split(new RegExp(`^## ${heading}$`, "m"));
  assert.ok(section !== undefined, `PROTOCOL.md has no section ${heading}`);
  const lines = section.split("\n");
  const start = lines.findIndex((line) => line.startsWith("|"));
  const end = lines.findIndex((line, n) => n > start && !line.startsWith("|"));
  return lines.slice(start + 2, end).map((line) =>
    line
      .slice(1, -1)
      .split("|")
      .map((cell) => cell.trim().replaceAll("`", "")),
  );
}
