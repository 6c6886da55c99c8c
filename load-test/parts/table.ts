/**
 * Pads the cells of each column to one width. The first column is aligned to the left, the others as asked.
 * @param minWidth of every column.
 */
export function padCells(
  rows: readonly (readonly string[])[],
  others: "left" | "right",
  minWidth = 0,
): readonly (readonly string[])[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.entries()) {
      widths[column] = Math.max(widths[column] ?? minWidth, cell.length);
    }
  }
  return rows.map((row) =>
    row.map((cell, column) => {
      const width = widths[column] ?? 0;
      return column > 0 && others === "right" ? cell.padStart(width) : cell.padEnd(width);
    }),
  );
}
