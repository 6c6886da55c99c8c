/** The program in docs/component.md, in a project of its own. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { evaluateStack } from "../../../infra/evaluation/evaluate.ts";
import { findResource } from "../../../infra/evaluation/graph.ts";
import type { DeclaredGraph } from "../../../infra/evaluation/graph.ts";
import { text } from "../../support/values.ts";

const ROOT = path.resolve(import.meta.dirname, "../../..");
const PROGRAM = /^```ts\n(?<program>.+?)^```$/ms;

describe("the program in docs/component.md", () => {
  let folder = "";
  let graph: DeclaredGraph;

  before(async () => {
    const page = readFileSync(path.join(ROOT, "docs/component.md"), "utf8");
    const program = PROGRAM.exec(page)?.groups?.["program"];
    assert.ok(program !== undefined);
    folder = mkdtempSync(path.join(tmpdir(), "component-page-"));
    const write = (name: string, content: string): void => {
      writeFileSync(path.join(folder, name), content);
    };
    write("Pulumi.yaml", "name: example\nruntime: nodejs\n");
    write("Pulumi.dev.yaml", "config:\n  aws:region: us-east-1\n");
    write("package.json", JSON.stringify({ type: "module" }));
    write("index.ts", program);
    mkdirSync(path.join(folder, "node_modules"));
    symlinkSync(path.join(ROOT, "node_modules/@pulumi"), path.join(folder, "node_modules/@pulumi"));
    symlinkSync(ROOT, path.join(folder, "node_modules/pulumi-websocket-server"));
    graph = await evaluateStack({ stack: "dev", root: folder });
  });

  after(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it("is evaluated without a warning, and has the URL as its output", () => {
    assert.deepEqual(graph.warnings, []);
    assert.match(String(graph.outputs["websocketUrl"]), /^wss:\/\/.+\/wss$/);
  });

  it("changes resources by transforms", () => {
    const { inputs } = findResource(graph, "aws:cloudfront/distribution:Distribution");
    assert.equal(inputs["comment"], "Chat");
    assert.ok(text(inputs, "webAclId").includes("webacl"));
    const bucket = findResource(graph, "aws:s3/bucket:Bucket");
    assert.deepEqual([bucket.inputs["tags"], bucket.options.protect], [{ Team: "chat" }, true]);
  });

  it("adds a policy to the role of the server", () => {
    const policy = graph.resources.find(({ name }) => name === "read-users");
    assert.ok(policy);
    const role = graph.resources.find(({ name }) => name === "chat-service-task-role");
    assert.equal(policy.inputs["role"], role?.outputs["name"]);
  });
});
