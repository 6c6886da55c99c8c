/**
 * The stack files of docs/edges.md, and the diagram of what each declares. `UPDATE_DECLARED=1 npm test` draws them anew.
 */
import assert from "node:assert/strict";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { diagramOf } from "../../infra/diagram.ts";
import { evaluateStack } from "../../infra/evaluate.ts";
import type { DeclaredGraph } from "../../infra/graph.ts";
import { suppressions } from "../../infra/suppressions.ts";
import { stackOf } from "../../policy/declared.ts";
import { rules } from "../../policy/rules.ts";
import { judge } from "../../policy/verdict.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");
const PAGE = path.join(ROOT, "docs/edges.md");
const EXAMPLE = /^## (?<title>.+)\n[^#]*?```yaml\n(?<file>[^`]+)```\n\n```mermaid\n(?<diagram>[^`]*)```/gm;

describe("docs/edges.md", () => {
  const examples = [...readFileSync(PAGE, "utf8").matchAll(EXAMPLE)].map(({ groups }) => ({
    title: "",
    file: "",
    diagram: "",
    ...groups,
  }));
  const graphs = new Map<string, DeclaredGraph>();

  before(async () => {
    for (const { title, file } of examples) graphs.set(title, await evaluateFile(file));
  });

  it("has an example of every edge", () => {
    assert.equal(examples.length, 6);
  });

  for (const { title, diagram } of examples) {
    it(`draws what is declared for: ${title}`, () => {
      const graph = graphs.get(title);
      assert.ok(graph);
      const drawn = `${diagramOf(graph)}\n`;
      if (process.env["UPDATE_DECLARED"] === "1") redraw(title, drawn);
      else assert.equal(diagram, drawn);
    });

    it(`has nothing that the policies find, and is not suppressed, in: ${title}`, () => {
      const graph = graphs.get(title);
      assert.ok(graph);
      const { findings, idle } = judge(stackOf(graph), rules, suppressions);
      assert.deepEqual(
        findings.map(({ rule, resource, fault }) => `${rule.id} ${resource.name}: ${fault}`),
        [],
      );
      assert.deepEqual(idle, []);
    });
  }

  it("has every suppression in use", () => {
    const used = new Set(
      [...graphs.values()].flatMap((graph) =>
        judge(stackOf(graph), rules, suppressions).suppressed.map(({ suppression }) => suppression),
      ),
    );
    assert.deepEqual(
      suppressions.filter((suppression) => !used.has(suppression)),
      [],
    );
  });
});

/** What a stack with this file would be. */
async function evaluateFile(file: string): Promise<DeclaredGraph> {
  const root = mkdtempSync(path.join(tmpdir(), "edges-"));
  try {
    copyFileSync(path.join(ROOT, "Pulumi.yaml"), path.join(root, "Pulumi.yaml"));
    writeFileSync(path.join(root, "Pulumi.example.yaml"), file);
    return await evaluateStack({ stack: "example", root });
  } finally {
    rmSync(root, { recursive: true });
  }
}

function redraw(title: string, drawn: string): void {
  const page = readFileSync(PAGE, "utf8").replaceAll(EXAMPLE, (whole, ...rest) => {
    const { title: found, diagram } = rest.at(-1) as { title: string; diagram: string };
    return found === title ? whole.replace(`\`\`\`mermaid\n${diagram}`, `\`\`\`mermaid\n${drawn}`) : whole;
  });
  writeFileSync(PAGE, page);
}
