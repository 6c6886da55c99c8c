/** The programs in docs/own-image.md, each in a project of its own, and their policies. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { suppressions } from "../../../infra/components/suppressions.ts";
import { evaluateStack } from "../../../infra/evaluation/evaluate.ts";
import { findResource, findResources } from "../../../infra/evaluation/graph.ts";
import type { DeclaredGraph } from "../../../infra/evaluation/graph.ts";
import { toStack } from "../../../policy/declared.ts";
import { evaluateRules } from "../../../policy/evaluation.ts";
import { rules } from "../../../policy/rules.ts";
import { at, list, text } from "../../support/values.ts";

const ROOT = path.resolve(import.meta.dirname, "../../..");
const SERVICE = "awsx:ecs:FargateService";

describe("the programs in docs/own-image.md", () => {
  const page = readFileSync(path.join(ROOT, "docs/own-image.md"), "utf8");
  const programs = [...page.matchAll(/^```ts\n(.+?)^```$/gms)].map(([, program = ""]) => program);
  const graphs: DeclaredGraph[] = [];
  let folder = "";

  before(async () => {
    folder = mkdtempSync(path.join(tmpdir(), "own-image-page-"));
    const write = (name: string, content: string): void => {
      writeFileSync(path.join(folder, name), content);
    };
    for (const name of ["node_modules", "server"]) mkdirSync(path.join(folder, name));
    write("Pulumi.dev.yaml", "config:\n  aws:region: us-east-1\n");
    write("package.json", JSON.stringify({ type: "module" }));
    write("server/Dockerfile", "FROM scratch\n");
    symlinkSync(path.join(ROOT, "node_modules/@pulumi"), path.join(folder, "node_modules/@pulumi"));
    symlinkSync(ROOT, path.join(folder, "node_modules/pulumi-websocket-server"));
    // An image without a repository in ECR, and without a health check of the container.
    const [first = ""] = programs;
    const others = [first.replace(/build: .*/, 'uri: "nginx:1",')];
    for (const [index, program] of [...programs, ...others].entries()) {
      // Node evaluates a file once.
      write(`program${index}.ts`, program);
      write("Pulumi.yaml", `name: example\nruntime: nodejs\nmain: program${index}.ts\n`);
      graphs.push(await evaluateStack({ stack: "dev", root: folder }));
    }
  });

  after(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  const graphOf = (index: number): DeclaredGraph => {
    const graph = graphs[index];
    assert.ok(graph);
    return graph;
  };

  it("are evaluated, and follow the policies", () => {
    assert.equal(programs.length, 4);
    for (const graph of graphs) {
      assert.match(String(graph.outputs["websocketUrl"]), /^wss:\/\//);
      const { findings, unused } = evaluateRules(toStack(graph), rules, suppressions);
      assert.deepEqual(
        findings.map(({ rule, resource, fault }) => `${rule.id} ${resource.name}: ${fault}`),
        [],
      );
      assert.deepEqual(
        unused.map(({ message }) => message),
        [],
      );
    }
  });

  it("build the image from a folder beside Pulumi.yaml", () => {
    const { inputs } = findResource(graphOf(0), "awsx:ecr:Image");
    assert.deepEqual([inputs["context"], inputs["dockerfile"]], ["server", "server/Dockerfile"]);
    assert.match(String(graphOf(0).outputs["websocketUrl"]), /\/graphql$/);
  });

  it("deploy an image of a registry with a secret, a backplane and another metric", () => {
    const graph = graphOf(1);
    assert.deepEqual(findResources(graph, "awsx:ecr:Image"), []);
    const container = at(findResource(graph, SERVICE).inputs, "taskDefinitionArgs.container");
    assert.deepEqual(
      list(container, "secrets").map((secret) => text(secret, "name")),
      ["VALKEY_PASSWORD", "API_KEY"],
    );
    assert.ok(graph.resources.some(({ name }) => name === "chat-scaling-metric"));
  });

  it("have a collector, and a log router that gets the log of the server", () => {
    const [collector, router] = [graphOf(2), graphOf(3)].map((graph) =>
      at(findResource(graph, SERVICE).inputs, "taskDefinitionArgs.containers"),
    );
    assert.deepEqual(Object.keys(collector ?? {}).sort(), ["collector", "websocket-service"]);
    assert.equal(text(router, "websocket-service.logConfiguration.logDriver"), "awsfirelens");
  });
});
