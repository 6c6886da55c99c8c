/** The example stack files in the documentation, one for each section. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { OWN_FOLDER } from "../../app/src/settings/ownFiles.ts";
import { evaluateStack } from "./evaluate.ts";
import type { DeclaredGraph } from "./graph.ts";

const DOCS = path.join(OWN_FOLDER, "docs");

/** The pages with examples. */
export const EXAMPLE_PAGES = ["edges.md", "existing-infrastructure.md"] as const;

export type ExamplePage = (typeof EXAMPLE_PAGES)[number];

const EXAMPLE = /^## (?<title>.+)\n[^#]*?```yaml\n(?<file>[^`]+)```\n/gm;

export interface Example {
  /** Heading of the section. */
  readonly title: string;
  readonly graph: DeclaredGraph;
}

/** Evaluates the examples. @throws {ConfigError} if a stack file is invalid. */
export async function evaluateExamples(page: ExamplePage = "edges.md"): Promise<readonly Example[]> {
  const examples: Example[] = [];
  const text = readFileSync(path.join(DOCS, page), "utf8");
  for (const { groups: { title = "", file = "" } = {} } of text.matchAll(EXAMPLE)) {
    examples.push({ title, graph: await evaluateStack({ stack: "example", file }) });
  }
  return examples;
}
