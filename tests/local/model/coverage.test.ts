import assert from "node:assert/strict";
import { evaluateStack } from "../../../infra/evaluation/evaluate.ts";
import { coverageOf } from "../../../local/model/coverage.ts";
import { declaredGraph } from "../../support/stacks.ts";
import { EDGE_CONFIGS, fullKeys } from "../support/edgeConfigs.ts";
import { graphOf, resource, wholePath } from "../support/graph.ts";
import { launch } from "../support/stack.ts";

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
    const policy = resource("aws:appautoscaling/policy:Policy", "scale", {});
    await using fixture = await launch({ ...graph, resources: [...graph.resources, queue, policy] });
    const reported = fixture.events.flatMap((event) =>
      event.event === "unsupported" ? [[...event.types, ...event.names]] : [],
    );
    assert.deepEqual(reported, [
      ["aws:sqs/queue:Queue", "jobs"],
      ["aws:appautoscaling/policy:Policy", "scale"],
    ]);
    assert.ok(fixture.events.some((event) => event.event === "warning" && event.message === "a warning"));
  });
});
