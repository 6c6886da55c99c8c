/** `npm run policy`: the verdict on every stack that has a file and on the examples of docs/edges.md, or on one stack. */
import path from "node:path";
import { EXIT_CODES, runCommandLine } from "../cli/runCommandLine.ts";
import type { DeclaredGraph } from "../infra/evaluation/graph.ts";
import { stackNames } from "../infra/evaluation/stackFiles.ts";
import { stackOf } from "./declared.ts";
import { HELP, OPTIONS, parseOptions, type PolicyOptions } from "./options.ts";
import { reportOf } from "./report.ts";
import type { NamedVerdict } from "./report.ts";
import { rules } from "./rules.ts";
import { judge } from "./verdict.ts";
import type { Verdict } from "./verdict.ts";

const ROOT = path.dirname(import.meta.dirname);

async function run({ stack }: PolicyOptions, orphaned: AbortSignal): Promise<number> {
  orphaned.addEventListener("abort", () => process.exit(EXIT_CODES.failed));
  // These modules load Pulumi, which needs the home folder.
  const { evaluateStack } = await import("../infra/evaluation/evaluate.ts");
  const { evaluateExamples } = await import("../infra/evaluation/examples.ts");
  const { suppressions } = await import("../infra/components/suppressions.ts");
  const verdictOn = (graph: DeclaredGraph): Verdict => judge(stackOf(graph), rules, suppressions);
  const stacks: NamedVerdict[] = [];
  for (const name of stack === undefined ? stackNames(ROOT) : [stack]) {
    stacks.push({ name, verdict: verdictOn(await evaluateStack({ stack: name })) });
  }
  const examples =
    stack === undefined
      ? (await evaluateExamples()).map(({ title, graph }) => ({ name: title, verdict: verdictOn(graph) }))
      : undefined;
  const { text, passed } = reportOf(stacks, examples);
  process.stdout.write(text);
  return passed ? EXIT_CODES.done : EXIT_CODES.failed;
}

await runCommandLine({ script: "policy", options: OPTIONS, help: HELP, parse: parseOptions, run });
