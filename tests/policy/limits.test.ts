/** Every limit of AWS, on a resource that a stack or an example declares. */
import assert from "node:assert/strict";
import { toStack } from "../../policy/declared.ts";
import { AWS_LIMITS } from "../../policy/limits/awsLimits.ts";
import { evaluateStack } from "../../infra/evaluation/evaluate.ts";
import { findViolations } from "../../policy/limits/violations.ts";
import type { Stack } from "../../policy/rule.ts";
import { UNKNOWN, UnknownValueError } from "../../policy/values.ts";
import type { Values } from "../../policy/values.ts";
import { withValue } from "./withValue.ts";
import { declaredExamples } from "../support/stacks.ts";

/** Properties that the program leaves to Pulumi or to autoscaling. */
const NOT_DECLARED = ["priority"];

/** No stack of this repository has scheduled actions. */
const SCHEDULE = JSON.stringify(["cron(0 8 ? * MON-FRI *) 2-5 Europe/Berlin"]);

/** Seven evaluations take this long on a busy machine. */
const EVALUATION_TIMEOUT_MS = 60_000;

describe("the limits of AWS", () => {
  let declared: Stack;

  before(async function () {
    this.timeout(EVALUATION_TIMEOUT_MS);
    const examples = await declaredExamples();
    const scheduled = await evaluateStack({
      stack: "dev",
      config: { "websocket:scheduledScaling": SCHEDULE },
    });
    declared = [scheduled, ...examples.map(({ graph }) => graph)].flatMap(toStack);
  });

  for (const { type, path, expected, source, invalid } of AWS_LIMITS) {
    it(`require ${type} ${path} to be ${expected}`, () => {
      const property = path.replaceAll("[]", "[0]");
      const resource = declared.find(
        ({ type: declaredType, properties }) =>
          declaredType === type && (NOT_DECLARED.includes(path) || has(properties, property)),
      );
      assert.ok(resource, `no stack declares ${type} with ${path}`);
      assert.deepEqual([...findViolations(type, resource.properties)], []);
      assert.ok(invalid.length > 0);
      for (const value of invalid) {
        const found = [...findViolations(type, withValue(resource.properties, path, value))];
        const violation = found.find((one) => one.property === property);
        assert.ok(violation, `${JSON.stringify(value)} is accepted`);
        assert.ok(violation.message.endsWith(`; expected ${expected} (${source})`), violation.message);
      }
    });
  }

  const violationsOf = (type: string, properties: Values): readonly string[] =>
    Array.from(findViolations(type, properties), ({ property, message }) => `${property} ${message}`);

  it("report the length of a value that may be secret, and not the value", () => {
    const [violation = ""] = violationsOf("aws:elasticache/user:User", {
      authenticationMode: { passwords: ["short"] },
    });
    assert.match(violation, /^authenticationMode\.passwords\[0\] got 5 characters; expected 16 to 128 char/);
  });

  it("require a certificate for aliases and for an HTTPS listener", () => {
    assert.equal(
      violationsOf("aws:cloudfront/distribution:Distribution", { aliases: ["a.example"] }).length,
      1,
    );
    assert.equal(violationsOf("aws:lb/listener:Listener", { protocol: "HTTPS" }).length, 1);
    assert.deepEqual(
      violationsOf("aws:lb/listener:Listener", { protocol: "HTTPS", certificateArn: "arn" }),
      [],
    );
  });

  it("refuse rebalancing with a maximum of 100 percent, and more minimum than maximum tasks", () => {
    const rebalancing = { availabilityZoneRebalancing: "ENABLED", deploymentMaximumPercent: 100 };
    assert.equal(violationsOf("aws:ecs/service:Service", rebalancing).length, 1);
    assert.equal(
      violationsOf("aws:appautoscaling/target:Target", { minCapacity: 3, maxCapacity: 2 }).length,
      1,
    );
  });

  it("accept sizes of a task as numbers and strings, and do not check sizes with a unit", () => {
    const task = "aws:ecs/taskDefinition:TaskDefinition";
    for (const [cpu, memory, count] of [
      ["1024", "2048", 0],
      [1024, 2048, 0],
      ["1024", "1024", 1],
      ["1 vCPU", "2 GB", 0],
    ]) {
      assert.equal(violationsOf(task, { cpu, memory }).length, count, `${cpu} ${memory}`);
    }
  });

  it("skip unknown values, report the known ones, and then throw", () => {
    const found: string[] = [];
    assert.throws(() => {
      const properties = { name: UNKNOWN, subnets: ["one"], idleTimeout: 0 };
      for (const { property } of findViolations("aws:lb/loadBalancer:LoadBalancer", properties)) {
        found.push(property);
      }
    }, UnknownValueError);
    assert.deepEqual(found, ["subnets", "idleTimeout"]);
  });
});

/** Whether there is a value at a path such as `rules[0].expiration.days`. JSON in a string is parsed. */
function has(properties: Values, property: string): boolean {
  let value: unknown = properties;
  for (const step of property.split(/[.[\]]+/).filter((one) => one !== "")) {
    const parsed: unknown = typeof value === "string" && /^[[{]/.test(value) ? JSON.parse(value) : value;
    if (typeof parsed !== "object" || parsed === null) return false;
    value = (parsed as Readonly<Record<string, unknown>>)[step];
  }
  return value !== undefined;
}
