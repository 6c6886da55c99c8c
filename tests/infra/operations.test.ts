/** What the declared resources do when the stack runs: health checks, limits, logs and images. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { PATHS } from "../../app/src/settings/contract.ts";
import { settingDefinitions } from "../../app/src/settings/settings.ts";
import { evaluateStack } from "../../infra/evaluation/evaluate.ts";
import { theOnly } from "../../infra/evaluation/graph.ts";
import type { DeclaredGraph } from "../../infra/evaluation/graph.ts";
import { at, list, number, text } from "../support/values.ts";

const DOCKERFILE = path.resolve(import.meta.dirname, "../../app/Dockerfile");

const LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup";

/** Unlike the defaults, and each unlike the others. */
const CONFIG = {
  "websocket:minTasks": "3",
  "websocket:maxTasks": "7",
  "websocket:requestsPerTarget": "11",
  "websocket:scaleOutCooldownSeconds": "13",
  "websocket:scaleInCooldownSeconds": "17",
  "websocket:logRetentionDays": "30",
  "websocket:priceClass": "PriceClass_200",
};

describe("the declared stack, when it runs,", () => {
  let graph: DeclaredGraph;
  let container: Readonly<Record<string, unknown>>;

  before(async () => {
    graph = await evaluateStack({ stack: "dev", config: CONFIG });
    container = at(theOnly(graph, "awsx:ecs:FargateService").inputs, "taskDefinitionArgs.container");
  });

  it("checks a container by the image's own program", () => {
    const [, command = ""] = /^CMD (\[.*\])$/m.exec(readFileSync(DOCKERFILE, "utf8")) ?? [];
    assert.deepEqual(list(container, "healthCheck.command"), [
      "CMD",
      ...(JSON.parse(command) as string[]),
      "health",
    ]);
    assert.ok(number(container, "healthCheck.timeout") < number(container, "healthCheck.interval"));
  });

  it("ends a task with its container, and tags it as the stack", () => {
    assert.equal(container["essential"], true);
    assert.equal(theOnly(graph, "awsx:ecs:FargateService").inputs["propagateTags"], "SERVICE");
  });

  it("registers tasks by their addresses, checks them by a path of theirs, and prefers those with few clients", () => {
    const { inputs } = theOnly(graph, "aws:lb/targetGroup:TargetGroup");
    assert.equal(inputs["targetType"], "ip", "the only one for tasks with addresses of their own");
    assert.equal(inputs["loadBalancingAlgorithmType"], "least_outstanding_requests");
    const checked = text(inputs, "healthCheck.path");
    assert.ok(checked === PATHS.root || checked === PATHS.health, checked);
  });

  it("lets a task open a file for each connection that it may be told to take", () => {
    const [limit] = list(container, "ulimits");
    assert.equal(text(limit, "name"), "nofile");
    assert.ok(number(limit, "softLimit") > settingDefinitions.maxConnections.max);
    assert.ok(number(limit, "hardLimit") >= number(limit, "softLimit"));
  });

  it("buffers log lines, by a size that has a unit", () => {
    assert.match(
      String(at(container, "logConfiguration.options")["max-buffer-size"]),
      /^[1-9]\d*[km]$/,
      "without a unit it is bytes",
    );
  });

  it("scales as it is configured, out and in", () => {
    const target = theOnly(graph, "aws:appautoscaling/target:Target").inputs;
    assert.deepEqual([target["minCapacity"], target["maxCapacity"]], [3, 7]);
    assert.equal(target["scalableDimension"], "ecs:service:DesiredCount");
    const { targetValue, scaleOutCooldown, scaleInCooldown } = at(
      theOnly(graph, "aws:appautoscaling/policy:Policy").inputs,
      "targetTrackingScalingPolicyConfiguration",
    );
    assert.deepEqual(
      { targetValue, scaleOutCooldown, scaleInCooldown },
      {
        targetValue: 11,
        scaleOutCooldown: 13,
        scaleInCooldown: 17,
      },
    );
  });

  it("serves from the edges that the configuration pays for", () => {
    const { inputs } = theOnly(graph, "aws:cloudfront/distribution:Distribution");
    assert.equal(inputs["priceClass"], "PriceClass_200");
  });

  it("deletes every log after the configured days", () => {
    for (const { inputs } of graph.resources.filter(({ type }) => type === LOG_GROUP)) {
      assert.equal(inputs["retentionInDays"], 30);
    }
    const [rule, ...others] = list(
      theOnly(graph, "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration").inputs,
      "rules",
    );
    assert.deepEqual(others, []);
    assert.equal(text(rule, "status"), "Enabled");
    assert.equal(number(rule, "expiration.days"), 30);
    assert.equal(text(rule, "filter.prefix"), "", "every object");
  });

  it("takes logs of this account only", () => {
    const policy: unknown = JSON.parse(
      text(theOnly(graph, "aws:s3/bucketPolicy:BucketPolicy").inputs, "policy"),
    );
    const allowing = list(policy, "Statement").filter((statement) => text(statement, "Effect") === "Allow");
    assert.ok(allowing.length > 0);
    for (const statement of allowing) {
      // By the account that the request is for, or by the path that the service writes to.
      assert.match(
        JSON.stringify(statement),
        /"aws:SourceAccount":"\d{12}"|"Resource":"[^"]*\/AWSLogs\/\d{12}\/\*"/,
        text(statement, "Sid"),
      );
    }
  });

  it("keeps some images for rollbacks, and deletes older ones whichever their tag", () => {
    const policy: unknown = JSON.parse(
      text(theOnly(graph, "aws:ecr/lifecyclePolicy:LifecyclePolicy").inputs, "policy"),
    );
    const [rule] = list(policy, "rules");
    assert.equal(text(rule, "selection.tagStatus"), "any");
    assert.equal(text(rule, "selection.countType"), "imageCountMoreThan");
    assert.ok(number(rule, "selection.countNumber") > 1);
  });
});
