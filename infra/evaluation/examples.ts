/** The stack files that docs/edges.md shows, one for each edge: configurations that no stack of the project may have. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { evaluateStack } from "./evaluate.ts";
import type { DeclaredGraph } from "./graph.ts";

const PAGE = path.resolve(import.meta.dirname, "../../docs/edges.md");

const EXAMPLE = /^## (?<title>.+)\n[^#]*?```yaml\n(?<file>[^`]+)```\n/gm;

export interface Example {
  /** Heading of its section. */
  readonly title: string;
  readonly graph: DeclaredGraph;
}

/** @throws {ConfigError} if a file is not usable. */
export async function evaluateExamples(): Promise<readonly Example[]> {
  const examples: Example[] = [];
  for (const { groups: { title = "", file = "" } = {} } of readFileSync(PAGE, "utf8").matchAll(EXAMPLE)) {
    examples.push({ title, graph: await evaluateStack({ stack: "example", file }) });
  }
  return examples;
}
