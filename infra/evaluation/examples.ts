/** The example stack files in docs/edges.md, one for each edge. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { evaluateStack } from "./evaluate.ts";
import type { DeclaredGraph } from "./graph.ts";

const PAGE = path.resolve(import.meta.dirname, "../../docs/edges.md");

const EXAMPLE = /^## (?<title>.+)\n[^#]*?```yaml\n(?<file>[^`]+)```\n/gm;

export interface Example {
  /** Heading of the section in docs/edges.md. */
  readonly title: string;
  readonly graph: DeclaredGraph;
}

/** Evaluates the examples. @throws {ConfigError} if a stack file is invalid. */
export async function evaluateExamples(): Promise<readonly Example[]> {
  const examples: Example[] = [];
  for (const { groups: { title = "", file = "" } = {} } of readFileSync(PAGE, "utf8").matchAll(EXAMPLE)) {
    examples.push({ title, graph: await evaluateStack({ stack: "example", file }) });
  }
  return examples;
}
