/** `npm run policy`: evaluates the rules for all stacks and the examples in the documentation, or for one stack. */
import { isPackaged, PROJECT_FOLDER } from "../app/src/settings/ownFiles.ts";
import { EXIT_CODES, runCommandLine } from "../cli/runCommandLine.ts";
import type { DeclaredGraph } from "../infra/evaluation/graph.ts";
import { stackNames } from "../infra/evaluation/stackFiles.ts";
import { toStack } from "./declared.ts";
import { evaluateRules } from "./evaluation.ts";
import type { Evaluation } from "./evaluation.ts";
import { HELP, OPTIONS, parseOptions, type PolicyOptions } from "./options.ts";
import { formatReport } from "./report.ts";
import type { NamedEvaluation } from "./report.ts";
import { rules } from "./rules.ts";

async function run({ stack }: PolicyOptions, orphaned: AbortSignal): Promise<number> {
  orphaned.addEventListener("abort", () => process.exit(EXIT_CODES.failed));
  // These modules load Pulumi, which needs the home folder.
  const { evaluateStack } = await import("../infra/evaluation/evaluate.ts");
  const { evaluateExamples, EXAMPLE_PAGES } = await import("../infra/evaluation/examples.ts");
  const { suppressions } = await import("../infra/components/suppressions.ts");
  const evaluate = (graph: DeclaredGraph): Evaluation => evaluateRules(toStack(graph), rules, suppressions);
  const stacks: NamedEvaluation[] = [];
  for (const name of stack === undefined ? stackNames(PROJECT_FOLDER) : [stack]) {
    stacks.push({ name, evaluation: evaluate(await evaluateStack({ stack: name, root: PROJECT_FOLDER })) });
  }
  const examples: NamedEvaluation[] = [];
  // The stacks of another project are not those of the examples.
  const hasExamples = stack === undefined && !isPackaged;
  for (const page of hasExamples ? EXAMPLE_PAGES : []) {
    for (const { title, graph } of await evaluateExamples(page)) {
      examples.push({ name: `"${title}" of docs/${page}`, evaluation: evaluate(graph) });
    }
  }
  const { text, passed } = formatReport(stacks, hasExamples ? examples : undefined);
  process.stdout.write(text);
  return passed ? EXIT_CODES.done : EXIT_CODES.failed;
}

await runCommandLine({ script: "policy", options: OPTIONS, help: HELP, parse: parseOptions, run });
