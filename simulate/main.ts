/** `npm run simulate`: runs the autoscaler of a declared stack against a load, in virtual time. */
import { open, writeFile } from "node:fs/promises";
import { ExpectedError } from "../app/src/settings/expectedError.ts";
import { EXIT_CODES, runCommandLine } from "../cli/runCommandLine.ts";
import { evaluateWithOverrides } from "../local/evaluation.ts";
import { MAX_BYTES, parseCsv } from "./load/csv.ts";
import type { Load } from "./load/load.ts";
import { loadOf } from "./load/profiles.ts";
import { HELP, type LoadChoice, OPTIONS, parseOptions, type Side, type SimulateOptions } from "./options.ts";
import { renderJson } from "./output/json.ts";
import { renderSvg } from "./output/svg.ts";
import { renderText } from "./output/text.ts";
import { simulate } from "./simulation.ts";
import { readSimulatedStack, type SimulatedStack, usualPeak } from "./stack.ts";
import { summarize } from "./summary.ts";

async function run(options: SimulateOptions, orphaned: AbortSignal): Promise<number> {
  orphaned.addEventListener("abort", () => process.exit(EXIT_CODES.failed));
  const startedAt = performance.now();
  const stacks: SimulatedStack[] = [];
  for (const side of options.sides) stacks.push(await readSide(side));
  const load = await readLoad(options.load, stacks);

  const evaluatedAt = performance.now();
  const results = stacks.map((stack) => {
    const simulation = simulate(stack, load);
    return { stack, simulation, summary: summarize(stack, simulation) };
  });
  const endedAt = performance.now();

  if (options.svg !== undefined) await writeFile(options.svg, renderSvg(load, results));
  process.stdout.write(options.json ? renderJson(load, results) : renderText(load, results));
  if (!options.json) {
    process.stdout.write(
      `Evaluated the program in ${formatSeconds(evaluatedAt - startedAt)}, simulated in ${formatSeconds(endedAt - evaluatedAt)}.\n`,
    );
  }
  return EXIT_CODES.done;
}

async function readSide({ stack, config }: Side): Promise<SimulatedStack> {
  const name = [stack, ...Object.entries(config).map(([key, value]) => `${key}=${value}`)].join(" ");
  return readSimulatedStack(name, await evaluateWithOverrides(stack, config));
}

async function readLoad(choice: LoadChoice, stacks: readonly SimulatedStack[]): Promise<Load> {
  if ("file" in choice) return parseCsv(choice.file, await readText(choice.file));
  const [first] = stacks;
  return loadOf(choice.profile, choice.peak ?? (first === undefined ? 0 : usualPeak(first)));
}

/** @throws {ExpectedError} if the file cannot be read, or is too large. */
async function readText(file: string): Promise<string> {
  try {
    await using handle = await open(file);
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(MAX_BYTES + 1), 0, MAX_BYTES + 1);
    if (bytesRead > MAX_BYTES) {
      throw new ExpectedError(
        `${file}: got more than ${MAX_BYTES} bytes; expected a CSV file of at most ${MAX_BYTES}.`,
      );
    }
    return buffer.toString("utf8", 0, bytesRead);
  } catch (error) {
    if (error instanceof Error && "code" in error) throw new ExpectedError(`\`--load\`: ${error.message}.`);
    throw error;
  }
}

function formatSeconds(ms: number): string {
  return `${(ms / 1000).toFixed(2)} s`;
}

await runCommandLine({ script: "simulate", options: OPTIONS, help: HELP, parse: parseOptions, run });
