import assert from "node:assert/strict";
import { compareParts, partsAfter } from "../../../local/model/changes.ts";
import { readParts, type StackParts } from "../../../local/model/parts.ts";
import { type Changes, rule, wholePath } from "../support/graph.ts";

const partsOf = (changes: Changes = {}): StackParts => readParts(wholePath(changes), {});

function changesOf(after: Changes, before: Changes = {}): readonly string[] {
  return compareParts(partsOf(before), partsOf(after)).map(({ part, apply }) => `${part}: ${apply}`);
}

describe("a change of the declared values", () => {
  const cases: readonly (readonly [string, Changes, readonly string[], Changes?])[] = [
    ["of nothing", {}, []],
    ["of the environment", { environment: { GREETING: "new" } }, ["container: deployment"]],
    ["of the stop timeout", { container: { stopTimeout: 9 } }, ["container: deployment"]],
    ["of a percentage", { service: { deploymentMaximumPercent: 150 } }, ["service: in place"]],
    ["of the maximum of tasks", { scaling: { maxCapacity: 9 } }, ["scaling: in place", "service: in place"]],
    ["of the minimum of tasks", { scaling: { minCapacity: 2 } }, ["scaling: in place"]],
    [
      "of the deregistration delay",
      { targetGroup: { deregistrationDelay: 9 } },
      ["target group group: in place"],
    ],
    [
      "of a rule",
      { rules: [rule(1, [], { type: "redirect", redirect: { statusCode: "HTTP_301", path: "/" } })] },
      ["load balancer: in place"],
    ],
    ["of a behavior", { behavior: { allowedMethods: ["GET", "HEAD"] } }, ["edge: in place"]],
    ["of the idle timeout", { loadBalancer: { idleTimeout: 9 } }, ["load balancer: restart"]],
    [
      "of a port",
      { listener: { port: 8001 }, originConfig: { httpPort: 8001 } },
      ["edge: restart", "load balancer: restart"],
    ],
    [
      "of the backplane",
      { backplane: { majorEngineVersion: "8" } },
      ["backplane: restart"],
      { backplane: {} },
    ],
  ];
  for (const [name, after, expected, before] of cases) {
    it(`${name}: ${expected.join(", ") || "nothing"}`, () => {
      assert.deepEqual(changesOf(after, before), expected);
    });
  }

  it("that needs a restart does not apply to the running parts", () => {
    const before = partsOf();
    const after = partsOf({ loadBalancer: { idleTimeout: 9 }, environment: { GREETING: "new" } });
    const running = partsAfter(before, after, compareParts(before, after));
    assert.deepEqual(running.servicePath?.loadBalancers, before.servicePath?.loadBalancers);
    assert.equal(running.servicePath?.service.container.environment["GREETING"], "new");
    // It is reported until it is undone.
    assert.deepEqual(compareParts(running, after), [{ part: "load balancer", apply: "restart" }]);
    assert.deepEqual(compareParts(running, partsOf({ environment: { GREETING: "new" } })), []);
  });
});
