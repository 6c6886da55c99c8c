/** Ends what a test has started. */
import { pino } from "pino";

/** A logger without output. */
export const silent = pino({ level: "silent" });

/** Actions after the current test, the last one first. */
const started: (() => unknown)[] = [];

/** Runs `end` after the current test. */
export function afterwards(end: () => unknown): void {
  started.push(end);
}

/** Every test file calls it in `afterEach`. */
export async function tearDown(): Promise<void> {
  for (const end of started.splice(0).reverse()) await end();
}
