/** The stack files of docs/edges.md, and the diagram of what each declares. `npm run docs` draws them anew. */
import assert from "node:assert/strict";
import { diagramOf } from "../../infra/evaluation/diagram.ts";
import { evaluateExamples } from "../../infra/evaluation/examples.ts";
import { assertRestated } from "../support/restated.ts";

const DIAGRAM = /^(## (?<title>.+)\n[^#]*?```yaml\n[^`]+```\n\n```mermaid\n)[^`]*```/gm;

describe("docs/edges.md", () => {
  it("has an example of every edge, and draws what it declares", async () => {
    const diagrams = new Map((await evaluateExamples()).map(({ title, graph }) => [title, diagramOf(graph)]));
    assert.equal(diagrams.size, 6);
    assertRestated({
      "docs/edges.md": (page) =>
        page.replaceAll(DIAGRAM, (...match) => {
          const [, start = "", title = ""] = match as string[];
          return `${start}${diagrams.get(title) ?? assert.fail(title)}\n\`\`\``;
        }),
    });
  });
});
