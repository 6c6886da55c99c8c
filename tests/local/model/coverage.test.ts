import assert from "node:assert/strict";
import { evaluateStack } from "../../../infra/evaluation/evaluate.ts";
import { EXAMPLE_PAGES } from "../../../infra/evaluation/examples.ts";
import { coverageOf } from "../../../local/model/coverage.ts";
import type { DeclaredGraph } from "../../../infra/evaluation/graph.ts";
import { ignoredInputs } from "../../../local/model/ignoredInputs.ts";
import { recordReads } from "../../../local/model/inputs.ts";
import { readParts } from "../../../local/model/parts.ts";
import { declaredExamples, declaredGraph } from "../../support/stacks.ts";
import { EDGE_CONFIGS, fullKeys } from "../support/edgeConfigs.ts";
import { graphOf, resource, wholePath } from "../support/graph.ts";
import { launch } from "../support/stack.ts";

/** A server that emulates an API Gateway; it need not run. */
const API_GATEWAY_ORIGIN = new URL("ws://127.0.0.1:1/prod");

function reportedInputs(graph: DeclaredGraph, apiGatewayOrigin?: URL): readonly (readonly string[])[] {
  const reads = recordReads(graph);
  const { unsupported } = readParts(reads.graph, { apiGatewayOrigin });
  return ignoredInputs(reads, coverageOf(graph, unsupported)).map(({ types, names, reason }) => [
    ...types,
    ...names,
    reason,
  ]);
}

describe("the inputs of emulated resources", () => {
  for (const stack of ["dev", "prod"]) {
    it(`of stack ${stack} are read, or have no effect`, async () => {
      assert.deepEqual(reportedInputs(await declaredGraph(stack)), []);
    });
  }

  for (const page of EXAMPLE_PAGES) {
    it(`of every example in docs/${page} are read, or have no effect`, async () => {
      for (const { title, graph } of await declaredExamples(page)) {
        const hasApiGateway = JSON.stringify(graph.resources).includes(".execute-api.");
        assert.deepEqual(reportedInputs(graph, hasApiGateway ? API_GATEWAY_ORIGIN : undefined), [], title);
      }
    });
  }

  it("are reported by their paths if the local stack ignores them", () => {
    const graph = wholePath({
      targetGroup: { slowStart: 30, stickiness: { type: "lb_cookie", enabled: true } },
      distribution: { webAclId: "", originGroups: [{ originId: "pair" }] },
    });
    assert.deepEqual(reportedInputs(graph), [
      ["aws:lb/targetGroup:TargetGroup", "group", "the local stack ignores slowStart"],
      [
        "aws:cloudfront/distribution:Distribution",
        "edge",
        "the local stack ignores webAclId, originGroups[].originId",
      ],
    ]);
  });

  it("may have values for which they have no effect", () => {
    assert.deepEqual(reportedInputs(wholePath({ targetGroup: { slowStart: 0 } })), []);
  });
});

describe("the coverage", () => {
  const stacks = ["dev", "prod"].map((stack) => [`stack ${stack}`, () => declaredGraph(stack)] as const);
  const edges = Object.entries(EDGE_CONFIGS).map(
    ([name, config]) => [name, () => evaluateStack({ stack: "dev", config: fullKeys(config) })] as const,
  );
  for (const [name, evaluate] of [...stacks, ...edges]) {
    it(`lists every type of ${name}`, async () => {
      const entries = coverageOf(await evaluate());
      const unknown = entries.filter(({ treatment }) => treatment === "unknown");
      assert.deepEqual(
        unknown.map(({ type }) => type),
        [],
      );
      assert.ok(entries.some(({ treatment }) => treatment === "emulated"));
      assert.ok(entries.every(({ treatment, reason }) => (treatment === "emulated") === (reason === "")));
    });
  }

  for (const page of EXAMPLE_PAGES) {
    it(`lists every type of every example in docs/${page}`, async () => {
      const examples = await declaredExamples(page);
      assert.ok(examples.length > 0);
      for (const { title, graph } of examples) {
        const unknown = coverageOf(graph).filter(({ treatment }) => treatment === "unknown");
        assert.deepEqual(unknown, [], title);
      }
    });
  }

  it("has one entry per type, with all names", () => {
    const type = "aws:iam/role:Role";
    const entries = coverageOf(graphOf([resource(type, "a", {}), resource(type, "b", {})]));
    assert.deepEqual(
      entries.map(({ names, treatment }) => [names, treatment]),
      [[["a", "b"], "skipped"]],
    );
  });

  it("is reported at the start: unsupported and unknown resources, and the program's warnings", async () => {
    const graph = wholePath({ warnings: ["a warning"] });
    const queue = resource("aws:sqs/queue:Queue", "jobs", {});
    const record = resource("aws:route53/record:Record", "alias", {});
    await using fixture = await launch({ ...graph, resources: [...graph.resources, queue, record] });
    const reported = fixture.events.flatMap((event) =>
      event.event === "unsupported" ? [[...event.types, ...event.names]] : [],
    );
    assert.deepEqual(reported, [
      ["aws:sqs/queue:Queue", "jobs"],
      ["aws:route53/record:Record", "alias"],
    ]);
    assert.ok(fixture.events.some((event) => event.event === "warning" && event.message === "a warning"));
  });

  it("is reported after a change, without what is known", async () => {
    const withRecord = (graph: DeclaredGraph, ...names: readonly string[]): DeclaredGraph => ({
      ...graph,
      resources: [
        ...graph.resources,
        ...names.map((name) => resource("aws:route53/record:Record", name, {})),
      ],
    });
    const slow = wholePath({ targetGroup: { slowStart: 30 } });
    await using fixture = await launch(withRecord(wholePath(), "a", "b"));
    const known = fixture.events.length;
    for (const graph of [withRecord(slow, "a"), slow, withRecord(slow, "c")]) {
      fixture.stack.update({ files: [], graph });
    }
    const reported = fixture.events
      .slice(known)
      .flatMap((event) => (event.event === "unsupported" ? [[...event.names, event.reason]] : []));
    assert.deepEqual(reported, [
      ["group", "the local stack ignores slowStart"],
      ["c", "localhost and a self-signed certificate replace custom domains"],
    ]);
  });
});
