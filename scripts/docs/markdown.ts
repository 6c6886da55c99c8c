/** Generated parts of Markdown pages. */

/** Renders a table as Prettier formats it: every column is as wide as its widest cell. */
export function renderTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((cells) => cells[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`;
  return [head, widths.map((width) => "-".repeat(width)), ...rows].map(line).join("\n");
}

/**
 * Replaces the generated part of a page: the text between `<!-- npm run docs: NAME -->` and `<!-- end of NAME -->`.
 * @throws {Error} if the page has no such part.
 */
export function replacePart(page: string, name: string, content: string): string {
  const [start, end] = [`<!-- npm run docs: ${name} -->`, `<!-- end of ${name} -->`];
  const from = page.indexOf(start);
  const to = page.indexOf(end, from);
  if (from === -1 || to === -1) throw new Error(`A page has no part between ${start} and ${end}.`);
  return `${page.slice(0, from)}${start}\n\n${content}\n\n${page.slice(to)}`;
}

/** A value in the font of code, or a dash if it is empty. */
export function code(text: string): string {
  return text === "" ? "–" : `\`${text}\``;
}
