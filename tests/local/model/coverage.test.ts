import assert from "node:assert/strict";
import { evaluateStack } from "../../../infra/evaluation/evaluate.ts";
import { coverage } from "../../../local/model/coverage.ts";
import { EDGE_CONFIGS, fullKeys } from "../support/edgeConfigs.ts";
import { graphOf, resource, wholePath } from "../support/graph.ts";
import { launch } from "../support/stack.ts";

describe("local coverage", () => {
  const stacks = ["dev", "prod"].map((stack) => [`stack ${stack}`, { stack }] as const);
  const edges = Object.entries(EDGE_CONFIGS).map(
    ([name, config]) => [`the edge that is ${name}`, { stack: "dev", config: fullKeys(config) }] as const,
  );
  for (const [what, args] of [...stacks, ...edges]) {
    it(`knows every type that ${what} declares`, async () => {
      const entries = coverage(await evaluateStack(args));
      assert.deepEqual(
        entries.filter(({ verdict }) => verdict === "unknown").map(({ type }) => type),
        [],
      );
      assert.ok(entries.some(({ verdict }) => verdict === "played"));
      assert.ok(entries.every(({ verdict, reason }) => (verdict === "played") === (reason === "")));
    });
  }

  it("has one entry per type, with all names", () => {
    const type = "aws:iam/role:Role";
    const entries = coverage(graphOf([resource(type, "a", {}), resource(type, "b", {})]));
    assert.deepEqual(
      entries.map(({ names, verdict }) => [names, verdict]),
      [[["a", "b"], "passive"]],
    );
  });

  it("reports at the start what is not played, and what nobody has thought of", async () => {
    const graph = wholePath({ warnings: ["mind the gap"] });
    const strange = resource("aws:sqs/queue:Queue", "jobs", {});
    const policy = resource("aws:appautoscaling/policy:Policy", "scale", {});
    await using fixture = await launch({ ...graph, resources: [...graph.resources, strange, policy] });
    const told = fixture.events.flatMap((event) =>
      event.event === "not-played" ? [[...event.types, ...event.names]] : [],
    );
    assert.deepEqual(told, [
      ["aws:sqs/queue:Queue", "jobs"],
      ["aws:appautoscaling/policy:Policy", "scale"],
    ]);
    assert.ok(fixture.events.some((event) => event.event === "warning" && event.message === "mind the gap"));
  });
});
