/** Loads in a CSV file, such as one that `npm run load-test -- --record FILE` has written. */
import { quoteValue } from "../../app/src/settings/definition.ts";
import { ExpectedError } from "../../app/src/settings/expectedError.ts";
import { type Load, type LoadMinute, MAX_MINUTES } from "./load.ts";

export const HEADER = "minute,connects,disconnects,messages";

/** More than {@link MAX_MINUTES} lines with the largest counts. */
export const MAX_BYTES = 4_000_000;

/** No task has as many clients, and sums remain exact. */
const MAX_COUNT = 1_000_000_000;

const NOTHING: LoadMinute = { connects: 0, disconnects: 0, messages: 0 };

/**
 * Minutes that the text omits have no load.
 * @throws {ExpectedError} that names the line.
 */
export function parseCsv(name: string, text: string): Load {
  const [header = "", ...lines] = text.replace(/^\uFEFF/, "").split(/\r?\n/);
  const problem = (line: number, got: string, expected: string): ExpectedError =>
    new ExpectedError(`${name}:${line}: got ${quoteValue(got)}; expected ${expected}.`);
  if (header.replaceAll(" ", "").toLowerCase() !== HEADER) throw problem(1, header, `the header ${HEADER}`);

  const minutes: LoadMinute[] = [];
  for (const [at, line] of lines.entries()) {
    if (line.trim() === "") continue;
    const cells = line.split(",").map((cell) => (/^\d+(\.\d+)?$/.test(cell.trim()) ? Number(cell) : NaN));
    const [minute = NaN, connects = NaN, disconnects = NaN, messages = NaN] = cells;
    const isValid =
      cells.length === 4 && cells.every((cell) => cell <= MAX_COUNT) && Number.isInteger(minute);
    if (!isValid) throw problem(at + 2, line, `a whole minute and three counts up to ${MAX_COUNT}`);
    if (minute < minutes.length) throw problem(at + 2, line, `a minute from ${minutes.length}`);
    if (minute >= MAX_MINUTES) throw problem(at + 2, line, `at most ${MAX_MINUTES} minutes`);
    while (minutes.length < minute) minutes.push(NOTHING);
    minutes.push({ connects, disconnects, messages });
  }
  if (minutes.length === 0) throw problem(2, "", "at least one minute");
  return { name, initialConnections: 0, minutes };
}
