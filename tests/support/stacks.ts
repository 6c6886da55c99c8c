/** The project's stacks as their files declare them. */
import path from "node:path";

import { evaluateStack } from "../../infra/evaluation/evaluate.ts";
import { evaluateExamples, type Example, type ExamplePage } from "../../infra/evaluation/examples.ts";
import type { DeclaredGraph } from "../../infra/evaluation/graph.ts";
import { stackNames } from "../../infra/evaluation/stackFiles.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");

const graphs = new Map<string, Promise<DeclaredGraph>>();

/** The graph of a stack with the configuration of its file. Each process evaluates it once, so callers must not change it. */
export function declaredGraph(stack: string): Promise<DeclaredGraph> {
  const graph = graphs.get(stack) ?? evaluateStack({ stack });
  graphs.set(stack, graph);
  return graph;
}

const examples = new Map<ExamplePage, Promise<readonly Example[]>>();

/** The examples of a page. Each process evaluates them once, so callers must not change them. */
export function declaredExamples(page: ExamplePage = "edges.md"): Promise<readonly Example[]> {
  const evaluated = examples.get(page) ?? evaluateExamples(page);
  examples.set(page, evaluated);
  return evaluated;
}

/** @throws {ConfigError} of the first stack whose configuration is not usable. */
export async function assertUsable(root = ROOT): Promise<void> {
  for (const stack of stackNames(root)) {
    await (root === ROOT ? declaredGraph(stack) : evaluateStack({ stack, root }));
  }
}
