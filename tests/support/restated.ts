/** Files that restate the program for people: `npm run docs` writes them, and every other run of the tests compares them. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

const ROOT = path.resolve(import.meta.dirname, "../..");

/**
 * Holds files to what the program says, or writes them.
 * @param files by the path within the project: makes the expected content of the present one.
 */
export function assertRestated(files: Readonly<Record<string, (page: string) => string>>): void {
  const outdated: string[] = [];
  for (const [file, restate] of Object.entries(files)) {
    const absolute = path.join(ROOT, file);
    const actual = readFileSync(absolute, "utf8");
    const expected = restate(actual);
    if (actual === expected) continue;
    if (process.env["npm_lifecycle_event"] === "docs") writeFileSync(absolute, expected);
    else outdated.push(file, ...changedLines(actual, expected), "");
  }
  if (outdated.length === 0) return;
  assert.fail(`outdated:\n${outdated.join("\n")}Fix, if the program is right: npm run docs`);
}

/** A table as the formatter writes it: every column as wide as its widest cell. */
export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((cells) => cells[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |\n`;
  return [head, widths.map((width) => "-".repeat(width)), ...rows].map(line).join("");
}

/** A page in which the table with this head is another one. */
export function withTable(
  page: string,
  head: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const start = new RegExp(String.raw`^\| ${head.join(String.raw` +\| `)} +\|\n(?:\|.*\n)*`, "m");
  assert.match(page, start);
  return page.replace(start, () => markdownTable(head, rows));
}

/** From the first line that differs to the last one. */
function changedLines(before: string, after: string): readonly string[] {
  const [old, now] = [before.split("\n"), after.split("\n")];
  let first = 0;
  while (first < old.length && old[first] === now[first]) first += 1;
  let kept = 0;
  while (kept < Math.min(old.length, now.length) - first && old.at(-1 - kept) === now.at(-1 - kept))
    kept += 1;
  return [
    ...old.slice(first, old.length - kept).map((line) => `- ${line}`),
    ...now.slice(first, now.length - kept).map((line) => `+ ${line}`),
  ];
}
