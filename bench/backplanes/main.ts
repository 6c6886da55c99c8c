/** `node bench/backplanes/main.ts`: compares designs of the backplane, for docs/decisions/0037. */
import { fork } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import type { Problem } from "../../app/src/settings/problem.ts";
import {
  assertNoProblems,
  describeOptions,
  expectedName,
  parseCommandLine,
  parseWholeNumber,
  problemWithArgument,
  problemWithValue,
} from "../../cli/options.ts";
import { EXIT_CODES, runCommandLine } from "../../cli/runCommandLine.ts";
import { statusLineOn } from "../../load-test/parts/statusLine.ts";
import type { Figures, Run } from "./cases.ts";
import { DESIGNS } from "./designs/index.ts";
import type { DesignName } from "./designs/index.ts";
import { CASES, renderCase, renderLegend } from "./tables.ts";
import type { BackplaneCase } from "./tables.ts";

const RUN = fileURLToPath(new URL("run.ts", import.meta.url));
const RUN_TIMEOUT_MS = 120_000;

const REPETITIONS = 3;
const MAX_REPETITIONS = 20;
const QUICK_EFFORT = 0.1;

const OPTIONS = {
  cases: {
    type: "string",
    value: "a,b",
    description: `Only these: ${CASES.map(({ name }) => name).join(", ")}`,
  },
  designs: { type: "string", value: "a,b", description: `Only these: ${Object.keys(DESIGNS).join(", ")}` },
  reps: { type: "string", value: "N", description: `Repetitions of each case (default ${REPETITIONS})` },
  quick: { type: "boolean", description: "One short run per case, to check that everything works" },
  json: { type: "string", value: "FILE", description: "File for the figures of every run" },
  help: { type: "boolean", description: "Print this text" },
} as const;

interface Options {
  readonly cases: readonly BackplaneCase[];
  readonly designs: readonly DesignName[];
  readonly repetitions: number;
  readonly effort: number;
  readonly json: string | undefined;
}

function parse(args: readonly string[]): Options | undefined {
  const commandLine = parseCommandLine(args, OPTIONS);
  if (commandLine === undefined) return undefined;
  const { values, positionals } = commandLine;
  const problems: Problem[] = positionals.map((word) => problemWithArgument(word, OPTIONS));
  const select = <Name extends string>(
    key: "cases" | "designs",
    kind: string,
    names: readonly Name[],
  ): readonly Name[] => {
    const words = values[key]?.split(",") ?? names;
    for (const word of words) {
      if ((names as readonly string[]).includes(word)) continue;
      problems.push(problemWithValue(key, JSON.stringify(word), expectedName(kind, word, names)));
    }
    return names.filter((name) => (words as readonly string[]).includes(name));
  };
  const names = select(
    "cases",
    "case",
    CASES.map(({ name }) => name),
  );
  // The keys of a constant object.
  const designs = select("designs", "design", Object.keys(DESIGNS) as DesignName[]);
  const range = { min: 1, max: MAX_REPETITIONS };
  const options: Options = {
    cases: CASES.filter(({ name }) => names.includes(name)),
    designs,
    repetitions:
      values.reps === undefined
        ? values.quick
          ? 1
          : REPETITIONS
        : parseWholeNumber("reps", values.reps, range, problems),
    effort: values.quick ? QUICK_EFFORT : 1,
    json: values.json,
  };
  assertNoProblems(problems);
  return options;
}

/** Runs the designs in turn within each case, and the cases in turn within each repetition. */
async function compare({ cases, designs, repetitions, effort, json }: Options): Promise<number> {
  const statusLine = statusLineOn(process.stderr);
  const all = new Map(cases.map(({ name }) => [name, new Map<DesignName, Figures[]>()]));
  for (let repetition = 1; repetition <= repetitions; repetition++) {
    for (const { name, run } of cases) {
      for (const design of designs) {
        statusLine.show(`${name} ${design}, ${repetition} of ${repetitions}`);
        const figures = await perform(design, { ...run, effort });
        all.get(name)?.set(design, [...(all.get(name)?.get(design) ?? []), figures]);
      }
    }
  }
  statusLine.clear();
  process.stdout.write(`${renderLegend()}\n${cases.map((each) => `${renderCase(each, all)}\n`).join("")}`);
  if (json !== undefined) {
    const document = Object.fromEntries(
      [...all].map(([name, figures]) => [name, Object.fromEntries(figures)]),
    );
    writeFileSync(json, `${JSON.stringify(document, undefined, 2)}\n`);
  }
  return EXIT_CODES.done;
}

async function perform(design: DesignName, run: Run): Promise<Figures> {
  const child = fork(RUN, { signal: AbortSignal.timeout(RUN_TIMEOUT_MS) });
  child.send({ design, run });
  const [answer] = (await Promise.race([
    once(child, "message"),
    once(child, "exit").then(([code]) => {
      throw new Error(`${design} ended with ${String(code)} and without figures.`);
    }),
  ])) as readonly unknown[];
  if (child.exitCode === null) await once(child, "exit");
  // The child has the same version.
  return answer as Figures;
}

await runCommandLine({
  script: "bench",
  options: OPTIONS,
  help: `Usage: node bench/backplanes/main.ts [options]\n\n${describeOptions(OPTIONS)}\n`,
  parse,
  run: compare,
});
