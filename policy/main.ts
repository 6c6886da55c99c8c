/** `npm run policy`: the verdict on every stack that has a file, or on one. */
import path from "node:path";
import { ignoreBrokenPipes, watchParent } from "../app/src/commandProcess.ts";
import { evaluateStack } from "../infra/evaluate.ts";
import { stackNames } from "../infra/stackFiles.ts";
import { suppressions } from "../infra/suppressions.ts";
import { stackOf } from "./declared.ts";
import { HELP, parseOptions } from "./options.ts";
import { reportOf } from "./report.ts";
import { rules } from "./rules.ts";
import { judge } from "./verdict.ts";

const ROOT = path.dirname(import.meta.dirname);

async function main(): Promise<number> {
  const { stack, help } = parseOptions(process.argv.slice(2));
  if (help) {
    process.stdout.write(HELP);
    return 0;
  }
  const verdicts = [];
  for (const name of stack === undefined ? stackNames(ROOT) : [stack]) {
    const resources = stackOf(await evaluateStack({ stack: name }));
    verdicts.push({ stack: name, verdict: judge(resources, rules, suppressions) });
  }
  const { text, passed } = reportOf(verdicts, { complete: stack === undefined });
  process.stdout.write(text);
  return passed ? 0 : 1;
}

ignoreBrokenPipes(process);
watchParent(process, () => process.exit(1));
try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
