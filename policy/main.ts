/** `npm run policy`: the verdict on every stack that has a file and on the examples of docs/edges.md, or on one stack. */
import path from "node:path";
import { ignoreBrokenPipes, watchParent } from "../app/src/settings/commandProcess.ts";
import { ensureHomeFolder } from "../cli/homeFolder.ts";
import { refuseSwallowedOptions } from "../cli/npmOptions.ts";
import type { DeclaredGraph } from "../infra/evaluation/graph.ts";
import { stackNames } from "../infra/evaluation/stackFiles.ts";
import { stackOf } from "./declared.ts";
import { HELP, OPTIONS, parseOptions } from "./options.ts";
import { reportOf } from "./report.ts";
import type { NamedVerdict } from "./report.ts";
import { rules } from "./rules.ts";
import { judge } from "./verdict.ts";
import type { Verdict } from "./verdict.ts";

const ROOT = path.dirname(import.meta.dirname);

async function main(): Promise<number> {
  refuseSwallowedOptions("policy", OPTIONS, process);
  const { stack, help } = parseOptions(process.argv.slice(2));
  if (help) {
    process.stdout.write(HELP);
    return 0;
  }
  // They load Pulumi, which needs the home folder.
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
  return passed ? 0 : 1;
}

ignoreBrokenPipes(process);
ensureHomeFolder(process.env);
watchParent(process, () => process.exit(1));
try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
