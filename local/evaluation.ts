/** The evaluation of a stack with overrides of its configuration. */
import path from "node:path";
import type { DeclaredGraph } from "../infra/evaluation/graph.ts";
import { readStackFiles } from "../infra/evaluation/stackFiles.ts";

const ROOT = path.dirname(import.meta.dirname);

/**
 * @param config values that replace those of the stack's file, by key, with or without the project's namespace.
 * @param randomSeed keeps the generated secrets in the next evaluations with the same seed. @default new secrets
 * @throws {ConfigError} whose fixes change the overrides or the file, depending on where the value is set.
 */
export async function evaluateWithOverrides(
  stack: string,
  config: Readonly<Record<string, string>>,
  randomSeed?: string,
): Promise<DeclaredGraph> {
  // These modules load Pulumi, which needs the home folder.
  const { evaluateStack, findConfigProblems } = await import("../infra/evaluation/evaluate.ts");
  const { overriddenSource, withNamespaces } = await import("./overrides.ts");
  const { ConfigError, stackFile } = await import("../infra/config/configError.ts");
  const { project } = readStackFiles(ROOT, stack);
  const overrides = withNamespaces(config, project);
  try {
    return await evaluateStack({ stack, config: overrides, ...(randomSeed && { randomSeed }) });
  } catch (error) {
    if (!(error instanceof ConfigError) || Object.keys(overrides).length === 0) throw error;
    const fileProblems = await findConfigProblems({ stack });
    throw new ConfigError(
      error.problems,
      overriddenSource(overrides, project, stackFile(stack), fileProblems),
    );
  }
}
