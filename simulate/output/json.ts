/** The results as one JSON document. */
import type { Load } from "../load/load.ts";
import { PRICES } from "../prices.ts";
import type { Result } from "../summary.ts";

/** Counts of connections have this many decimals, because they are expected values. */
const DECIMALS = 3;

export function renderJson({ name, minutes }: Load, results: readonly Result[]): string {
  const document = {
    load: { name, minutes: minutes.length },
    prices: { region: PRICES.region, date: PRICES.date },
    stacks: results.map(({ stack, summary, simulation }) => ({
      name: stack.name,
      summary,
      minutes: simulation.minutes,
    })),
  };
  const round = (_key: string, value: unknown): unknown =>
    typeof value === "number" ? Number(value.toFixed(DECIMALS)) : value;
  return `${JSON.stringify(document, round)}\n`;
}
