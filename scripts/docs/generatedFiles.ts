/** The files that `npm run docs` writes, or writes in part. */
import { readFileSync } from "node:fs";
import path from "node:path";
import * as prettier from "prettier";
import { encode } from "../../app/src/settings/definition.ts";
import { settingDefinitions } from "../../app/src/settings/settings.ts";
import { evaluateExamples } from "../../infra/evaluation/examples.ts";
import type { DeclaredGraph } from "../../infra/evaluation/graph.ts";
import { countResources, coverageOf } from "../../local/model/coverage.ts";
import { rules } from "../../policy/rules.ts";
import { renderArguments } from "./arguments.ts";
import { renderConfiguration, renderMainKeys } from "./configuration.ts";
import { renderDeclared, renderEdges } from "./declaredFile.ts";
import { drawDiagram } from "./diagram.ts";
import { renderTable, replacePart } from "./markdown.ts";
import { renderMetrics } from "./metrics.ts";
import { replaceConfigKeys } from "./projectFile.ts";
import { renderProviderSchema } from "./providerSchema.ts";

/** The repository. */
export const ROOT = path.resolve(import.meta.dirname, "../..");

/** In the output of `npm start`, for the stack `dev`. */
const RESOURCE_COUNTS = /(?<=Stack dev: )\d+ declared resources \(\d+ emulated, \d+ skipped\)/;

/** A generated file, relative to the repository. */
export interface GeneratedFile {
  readonly name: string;
  /** The present content. */
  readonly actual: string;
  /** The content that `npm run docs` writes. */
  readonly expected: string;
}

/** Generates the files that {@link generateFiles} reads: evaluations read Pulumi.yaml, and the schema reads the arguments. */
export async function generateSources(): Promise<readonly GeneratedFile[]> {
  const style = (await prettier.resolveConfig(import.meta.filename)) ?? {};
  const argumentsModule = await prettier.format(renderArguments(), { ...style, parser: "typescript" });
  return generate({
    "Pulumi.yaml": replaceConfigKeys,
    "infra/config/arguments/configArguments.ts": () => argumentsModule,
  });
}

/**
 * Generates all other files. The sources must be up to date.
 * @param graphOf returns the graph of a stack of the project.
 */
export async function generateFiles(
  graphOf: (stack: string) => Promise<DeclaredGraph>,
): Promise<readonly GeneratedFile[]> {
  const [dev, prod] = [await graphOf("dev"), await graphOf("prod")];
  const examples = await evaluateExamples();
  const diagrams = new Map(examples.map(({ title, graph }) => [title, drawDiagram(graph)]));
  const ruleRows = rules.map(({ id, level, what, why, fix }) => [id, level, what, why, fix]);
  return generate({
    "README.md": (page) =>
      replacePart(page, "keys", renderMainKeys()).replace(RESOURCE_COUNTS, renderResourceCounts(dev)),
    "PROTOCOL.md": replaceDefaults,
    "docs/configuration.md": (page) => replacePart(page, "keys", renderConfiguration()),
    "docs/edges.md": (page) => replaceDiagrams(page, diagrams),
    "docs/metrics.md": (page) => replacePart(page, "metrics", renderMetrics()),
    "docs/policy.md": (page) =>
      replacePart(page, "rules", renderTable(["Rule", "Level", "What", "Why", "Fix"], ruleRows)),
    "provider/schema.json": () => renderProviderSchema(ROOT),
    "tests/infra/declared.dev.yaml": () => renderDeclared(dev),
    "tests/infra/declared.edges.yaml": () => renderEdges(examples),
    "tests/infra/declared.prod.yaml": () => renderDeclared(prod),
  });
}

/** @param renderers return the new content of a file from the present one, by name. */
function generate(
  renderers: Readonly<Record<string, (content: string) => string>>,
): readonly GeneratedFile[] {
  return Object.entries(renderers).map(([name, render]) => {
    const actual = readFileSync(path.join(ROOT, name), "utf8");
    return { name, actual, expected: render(actual) };
  });
}

function renderResourceCounts(graph: DeclaredGraph): string {
  const { emulated, skipped } = countResources(coverageOf(graph));
  return `${graph.resources.length} declared resources (${emulated} emulated, ${skipped} skipped)`;
}

/** Replaces the diagram of each section of docs/edges.md that has an example. */
function replaceDiagrams(page: string, diagrams: ReadonlyMap<string, string>): string {
  return page
    .split(/^(?=## )/m)
    .map((section) => {
      const diagram = diagrams.get(/^## (.+)/.exec(section)?.[1] ?? "");
      return diagram === undefined
        ? section
        : replacePart(section, "diagram", `\`\`\`mermaid\n${diagram}\n\`\`\``);
    })
    .join("");
}

/** Replaces the defaults in the table of limits, whose rows begin with a variable. */
function replaceDefaults(page: string): string {
  const defaults = new Map(
    Object.values(settingDefinitions).map(({ variable, default: value }) => [
      variable as string,
      encode(value),
    ]),
  );
  return page.replaceAll(
    /(?<=^\| `(WEBSOCKET_\w+)` +\| )( *\d+)(?= \|)/gm,
    (_, variable: string, cell: string) => {
      const value = defaults.get(variable);
      if (value === undefined)
        throw new Error(`PROTOCOL.md has a limit ${variable}, which is not a setting.`);
      return value.padStart(cell.length);
    },
  );
}
