/** `npm run simulate`: runs the autoscaler of a declared stack against a load, in virtual time. */
import { open } from "node:fs/promises";
import { ExpectedError } from "../app/src/settings/expectedError.ts";
import { writeOutputFile } from "../cli/outputFile.ts";
import { exitAfterOutput } from "../cli/exitAfterOutput.ts";
import { EXIT_CODES, runCommandLine } from "../cli/runCommandLine.ts";
import { evaluateWithOverrides, findProject } from "../local/evaluation.ts";
import { selectService } from "../local/model/selectService.ts";
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

async function run(
  { cwd, service, sides, load: choice, svg, json }: SimulateOptions,
  orphaned: AbortSignal,
): Promise<number> {
  orphaned.addEventListener("abort", () => process.exit(EXIT_CODES.failed));
  const loadFor = await readLoad(choice);
  const startedAt = performance.now();
  const stacks: SimulatedStack[] = [];
  const warnings = new Set<string>();
  for (const side of sides) stacks.push(await readSide({ cwd, service }, side, warnings));
  for (const message of warnings) process.stderr.write(`warning: ${message}\n`);

  const evaluatedAt = performance.now();
  const load = loadFor(stacks);
  const results = stacks.map((stack) => {
    const simulation = simulate(stack, load);
    return { stack, simulation, summary: summarize(stack, simulation) };
  });
  const endedAt = performance.now();

  if (svg !== undefined) await writeOutputFile("svg", svg, renderSvg(load, results));
  if (json) {
    process.stdout.write(renderJson(load, results));
  } else {
    const times = `Evaluated the program in ${formatSeconds(evaluatedAt - startedAt)}, simulated in ${formatSeconds(endedAt - evaluatedAt)}.`;
    process.stdout.write(`${renderText(load, results)}\n${times}\n`);
  }
  return EXIT_CODES.done;
}

async function readSide(
  { cwd, service }: Pick<SimulateOptions, "cwd" | "service">,
  { stack: named, config }: Side,
  warnings: Set<string>,
): Promise<SimulatedStack> {
  const { root, stack } = findProject({ cwd, stack: named });
  const name = [stack, ...Object.entries(config).map(([key, value]) => `${key}=${value}`)].join(" ");
  const graph = await evaluateWithOverrides({ root, stack, config });
  for (const message of graph.warnings) warnings.add(message);
  return readSimulatedStack(name, selectService(graph, service));
}

/** @returns the load for stacks that are not evaluated yet, so that a wrong file is reported at once. */
async function readLoad(choice: LoadChoice): Promise<(stacks: readonly SimulatedStack[]) => Load> {
  if ("file" in choice) {
    const load = parseCsv(choice.file, await readText(choice.file));
    return () => load;
  }
  const { profile, peak } = choice;
  return ([first]) => loadOf(profile, peak ?? (first === undefined ? 0 : usualPeak(first)));
}

/** @throws {ExpectedError} if the file cannot be read, or is too large. */
async function readText(file: string): Promise<string> {
  try {
    await using handle = await open(file);
    const chunks: Buffer[] = [];
    let bytes = 0;
    // A pipe returns its content in pieces.
    for await (const chunk of handle.createReadStream({ autoClose: false }) as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > MAX_BYTES) {
        throw new ExpectedError(
          `${file}: got more than ${MAX_BYTES} bytes; expected a CSV file of at most ${MAX_BYTES}.`,
        );
      }
      chunks.push(chunk);
    }
    return Buffer.concat(chunks).toString("utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error) throw new ExpectedError(`\`--load\`: ${error.message}.`);
    throw error;
  }
}

function formatSeconds(ms: number): string {
  return `${(ms / 1000).toFixed(2)} s`;
}

await runCommandLine({ script: "simulate", options: OPTIONS, help: HELP, parse: parseOptions, run });
await exitAfterOutput();
