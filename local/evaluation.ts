/** The evaluation of a stack with overrides of its configuration. */
import { existsSync } from "node:fs";
import path from "node:path";
import { ExpectedError } from "../app/src/settings/expectedError.ts";
import { PROJECT_FOLDER } from "../app/src/settings/ownFiles.ts";
import type { DeclaredGraph } from "../infra/evaluation/graph.ts";
import { chooseStack, isProject, readStackFiles } from "../infra/evaluation/stackFiles.ts";

/** The options of a command that evaluates a stack. */
export const PROJECT_OPTIONS = {
  cwd: {
    type: "string",
    value: "DIR",
    description: "Folder of the Pulumi project (default this one)",
  },
  stack: {
    type: "string",
    value: "NAME",
    description: "Stack whose Pulumi.NAME.yaml is read (default dev, or the only stack)",
  },
} as const;

export const SERVICE_OPTION = {
  type: "string",
  value: "NAME",
  description: "Service, if the stack has several",
} as const;

/** What a user asks to evaluate. */
export interface ProjectOptions {
  /** @default the repository */
  readonly cwd?: string | undefined;
  /** @default `dev`, or else the only stack with a file */
  readonly stack?: string | undefined;
}

export interface Evaluation {
  /** Absolute path of the folder of the project. */
  readonly root: string;
  readonly stack: string;
  /** Values that replace those of the stack's file, by key, with or without the project's namespace. */
  readonly config: Readonly<Record<string, string>>;
  /** Keeps the generated secrets in the next evaluations with the same seed. @default new secrets */
  readonly randomSeed?: string | undefined;
}

/** @throws {ExpectedError} if the folder does not exist or has no project, or the stack must be named. */
export function findProject({ cwd, stack }: ProjectOptions): Pick<Evaluation, "root" | "stack"> {
  const root = cwd === undefined ? PROJECT_FOLDER : path.resolve(cwd);
  if (!existsSync(root)) {
    throw new ExpectedError(
      `\`--cwd\`: got ${root}, which does not exist; expected the folder of a Pulumi project.`,
    );
  }
  if (!isProject(root)) {
    throw new ExpectedError(
      `${root} has no Pulumi.yaml; expected the folder of a Pulumi project. Fix: pass \`--cwd DIR\`, or restore the file`,
    );
  }
  return { root, stack: chooseStack(root, stack) };
}

/** @throws {ConfigError} whose fixes change the overrides or the file, depending on where the value is set. */
export async function evaluateWithOverrides({
  root,
  stack,
  config,
  randomSeed,
}: Evaluation): Promise<DeclaredGraph> {
  // These modules load Pulumi, which needs the home folder.
  const { evaluateStack, findConfigProblems } = await import("../infra/evaluation/evaluate.ts");
  const { overriddenSource, withNamespaces } = await import("./overrides.ts");
  const { ConfigError, stackFile } = await import("../infra/config/configError.ts");
  const { project } = readStackFiles(root, stack, { content: "" });
  const overrides = withNamespaces(config, project);
  try {
    return await evaluateStack({ root, stack, config: overrides, ...(randomSeed && { randomSeed }) });
  } catch (error) {
    if (!(error instanceof ConfigError) || Object.keys(overrides).length === 0) throw error;
    const fileProblems = await findConfigProblems({ root, stack });
    throw new ConfigError(
      error.problems,
      overriddenSource(overrides, project, stackFile(stack), fileProblems),
    );
  }
}
