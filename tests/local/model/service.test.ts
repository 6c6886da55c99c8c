import assert from "node:assert/strict";
import { readService } from "../../../local/model/service.ts";
import { BACKPLANE_USER, type Changes, wholePath } from "../support/graph.ts";

describe("the declared service", () => {
  it("has the declared container and circuit breaker", () => {
    const { container, ...service } = readService(wholePath());
    assert.deepEqual(container, {
      name: "server",
      port: 9000,
      environment: { PORT: "9000", GREETING: "declared", WEBSOCKET_SERVICE_NAME: "fixture" },
      missingSecrets: [],
      image: undefined,
      stopTimeoutSeconds: 2,
      healthCheck: {
        command: ["health"],
        intervalSeconds: 30,
        timeoutSeconds: 5,
        startPeriodSeconds: 0,
        thresholds: { healthy: 1, unhealthy: 2 },
      },
    });
    assert.deepEqual(service.circuitBreaker, { rollback: true });
    assert.equal(service.healthCheckGraceSeconds, 0);
  });

  it("has the values of the secrets in the environment", () => {
    const { environment } = readService(wholePath({ backplane: {} })).container;
    assert.equal(environment["BACKPLANE_PASSWORD"], BACKPLANE_USER.password);
  });

  it("lists the secrets that the program does not declare", () => {
    const secrets = [{ name: "OTHER", valueFrom: "arn:elsewhere" }];
    assert.deepEqual(readService(wholePath({ container: { secrets } })).container.missingSecrets, ["OTHER"]);
  });

  it("has the declared percentages, or the defaults of ECS", () => {
    assert.deepEqual(readService(wholePath()).percentages, {
      minimumHealthyPercent: 100,
      maximumPercent: 200,
    });
    const declared = { deploymentMinimumHealthyPercent: 50, deploymentMaximumPercent: 150 };
    assert.deepEqual(readService(wholePath({ service: declared })).percentages, {
      minimumHealthyPercent: 50,
      maximumPercent: 150,
    });
  });

  it("spreads its tasks over the zones of its subnets", () => {
    assert.equal(readService(wholePath()).zones, 1);
    const service = { networkConfiguration: { subnets: ["subnet-a", "subnet-b"] } };
    assert.equal(readService(wholePath({ service })).zones, 2);
  });

  it("has the number of tasks of --tasks, or else of the scalable target", () => {
    assert.equal(readService(wholePath({ scaling: { minCapacity: 2 } })).desiredCount, 2);
    assert.equal(readService(wholePath(), 3).desiredCount, 3);
    assert.throws(
      () => readService(wholePath(), 4),
      /`--tasks`: got 4; expected at most 3 .*scaling.* Fix: pass `-c maxTasks=4`/,
    );
  });

  it("is refused if the local stack does not support the program of its container", () => {
    const cases: readonly (readonly [Changes["container"] & object, RegExp])[] = [
      [{ command: ["sh"] }, /command is unsupported/],
      [
        { healthCheck: { command: ["CMD-SHELL", "curl localhost"] } },
        /healthCheck: command .* expected CMD node/,
      ],
      [{ portMappings: [] }, /do not contain 9000/],
    ];
    for (const [container, message] of cases)
      assert.throws(() => readService(wholePath({ container })), message);
  });
});
