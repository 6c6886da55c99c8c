/** Another server than ours: what the component declares around it. */
import assert from "node:assert/strict";
import path from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { ConfigError, WebSocketService } from "../../../infra/index.ts";
import { at, list, text } from "../../support/values.ts";
import { declare } from "./support.ts";
import type { Registered } from "./support.ts";

const EXAMPLE = path.relative(process.cwd(), path.resolve(import.meta.dirname, "../../../app"));
const SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:chat-AbCdEf";
const URI = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/chat:v1";

const SERVICE = "awsx:ecs:FargateService";
const ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy";

describe("a service with another server", () => {
  describe("in a registry", () => {
    let resources: readonly Registered[];
    let url: string;
    let imageUri: string | undefined;

    before(async () => {
      let service: WebSocketService | undefined;
      resources = await declare(() => {
        service = new WebSocketService("chat", {
          image: {
            uri: pulumi.output(Promise.resolve(URI)),
            command: ["node", "server.js"],
            port: 4000,
            path: "/graphql",
            healthPath: "/health",
            healthCommand: ["node", "health.js"],
            stickinessSeconds: 3600,
            environment: { LOG_LEVEL: "debug" },
            secrets: { API_KEY: SECRET },
            cpuArchitecture: "X86_64",
          },
        });
      });
      assert.ok(service);
      url = await valueOf(service.websocketUrl);
      imageUri = await valueOf(pulumi.output(service.imageUri));
    });

    it("runs it with its port, variables and secrets", () => {
      const { inputs } = onlyOne(resources, SERVICE);
      const container = at(inputs, "taskDefinitionArgs.container");
      assert.equal(container["image"], URI);
      assert.equal(imageUri, URI);
      assert.deepEqual(container["command"], ["node", "server.js"]);
      assert.deepEqual(container["environment"], [
        { name: "PORT", value: "4000" },
        { name: "LOG_LEVEL", value: "debug" },
      ]);
      assert.deepEqual(container["secrets"], [{ name: "API_KEY", valueFrom: SECRET }]);
      assert.deepEqual(list(container, "healthCheck.command"), ["CMD", "node", "health.js"]);
      assert.equal(text(inputs, "taskDefinitionArgs.runtimePlatform.cpuArchitecture"), "X86_64");
      assert.deepEqual(at(container, "portMappings[0]"), {
        containerPort: 4000,
        hostPort: 4000,
        protocol: "tcp",
      });
      assert.equal(at(inputs, "loadBalancers[0]")["containerPort"], 4000);
    });

    it("has no repository, and ECS can pull the image and read the secret", () => {
      for (const { type } of resources) assert.doesNotMatch(type, /^awsx?:ecr|docker-build/);
      const policy = resources.find(({ name }) => name === "chat-service-execution-policy");
      assert.ok(policy);
      const statements = list(JSON.parse(text(policy.inputs, "policy")), "Statement");
      const allowed = new Map(
        statements.flatMap((statement) =>
          [at(statement, "")["Action"]]
            .flat()
            .map((action) => [action, at(statement, "")["Resource"]] as const),
        ),
      );
      assert.deepEqual(allowed.get("ecr:BatchGetImage"), [
        "arn:aws:ecr:eu-west-1:123456789012:repository/team/chat",
      ]);
      assert.deepEqual(allowed.get("secretsmanager:GetSecretValue"), [SECRET]);
      assert.ok(!allowed.has("ssm:GetParameters"));
    });

    it("has a target group with its port, its health path and stickiness", () => {
      const { inputs } = onlyOne(resources, "aws:lb/targetGroup:TargetGroup");
      assert.equal(inputs["port"], 4000);
      assert.equal(at(inputs, "healthCheck")["path"], "/health");
      assert.deepEqual(inputs["stickiness"], { type: "lb_cookie", enabled: true, cookieDuration: 3600 });
    });

    it("has the same edge, without the page of our server", () => {
      assert.match(url, /^wss:\/\/d[0-9a-f]+\.cloudfront\.net\/graphql$/);
      const { inputs } = onlyOne(resources, "aws:cloudfront/distribution:Distribution");
      assert.equal(inputs["defaultRootObject"], undefined);
      assert.equal(text(inputs, "origins[0].customHeaders[0].name"), "X-Origin-Secret");
      assert.equal(
        list(onlyOne(resources, "aws:lb/listenerRule:ListenerRule").inputs, "conditions").length,
        1,
      );
    });

    it("has no backplane, several tasks, and rolling deployments", () => {
      for (const { type } of resources) assert.doesNotMatch(type, /elasticache|ssm/);
      const { inputs } = onlyOne(resources, SERVICE);
      assert.deepEqual(
        [inputs["deploymentMinimumHealthyPercent"], inputs["deploymentMaximumPercent"]],
        [100, 200],
      );
      assert.equal(onlyOne(resources, "aws:appautoscaling/target:Target").inputs["maxCapacity"], 5);
    });

    it("scales on requests and CPU", () => {
      assert.deepEqual(policyNames(resources), ["chat-scaling-requests", "chat-scaling-cpu"]);
    });
  });

  it("has a WebSocket URL without a path if its path is /", async () => {
    let url: pulumi.Output<string> | undefined;
    await declare(() => {
      url = new WebSocketService("chat", { image: { uri: "nginx" } }).websocketUrl;
    });
    assert.ok(url);
    assert.match(await valueOf(url), /^wss:\/\/[^/]+$/);
  });

  it("is built from the files of the user, to a repository of the service", async () => {
    const resources = await declare(() => {
      new WebSocketService("chat", {
        image: { build: { context: path.resolve(EXAMPLE), target: "build", args: { VERSION: "1" } } },
      });
    });
    const { inputs } = onlyOne(resources, "awsx:ecr:Image");
    assert.deepEqual(
      [inputs["context"], inputs["dockerfile"], inputs["target"], inputs["args"], inputs["platform"]],
      [EXAMPLE, path.join(EXAMPLE, "Dockerfile"), "build", { VERSION: "1" }, "linux/arm64"],
    );
    assert.match(text(inputs, "imageTag"), /^[0-9a-f]{20}-[0-9a-f]+$/);
    assert.match(text(onlyOne(resources, SERVICE).inputs, "taskDefinitionArgs.container.image"), /@sha256:/);
  });

  it("can have a backplane, whose user has no administrative permissions", async () => {
    const resources = await declare(() => {
      new WebSocketService("chat", { image: { uri: "nginx" }, backplane: "valkey" });
    });
    const container = at(onlyOne(resources, SERVICE).inputs, "taskDefinitionArgs.container");
    const variables = list(container, "environment").map((variable) => text(variable, "name"));
    assert.deepEqual(variables, ["PORT", "VALKEY_URL", "VALKEY_CLUSTER"]);
    assert.match(JSON.stringify(container["environment"]), /"rediss:\/\/websocket@[^"]+:6379"/);
    assert.equal(text(container, "secrets[0].name"), "VALKEY_PASSWORD");
    const accessString = text(onlyOne(resources, "aws:elasticache/user:User").inputs, "accessString");
    assert.match(accessString, /~\* &\* -@all .*\+@pubsub .*-@admin -@dangerous/);
  });
});

describe("a service with sidecars", () => {
  it("has them in its task definition, and ECS can pull their images", async () => {
    const resources = await declare(() => {
      new WebSocketService("chat", { access: "open", sidecars: { collector: { image: URI } } });
    });
    const containers = at(onlyOne(resources, SERVICE).inputs, "taskDefinitionArgs.containers");
    assert.deepEqual(Object.keys(containers).sort(), ["collector", "websocket-service"]);
    const { essential, logConfiguration } = at(containers, "collector");
    assert.equal(essential, false);
    assert.equal(text(logConfiguration, "options.awslogs-stream-prefix"), "collector");
    const policies = resources.filter(({ type }) => type === ROLE_POLICY);
    assert.match(JSON.stringify(policies), /repository\/team\/chat/);
  });
});

describe("a service with a metric of the user", () => {
  const scalingMetric = {
    namespace: "Chat",
    name: "Subscriptions",
    dimensions: { Service: "chat" },
    unit: "Count",
    target: 100,
  };

  it("scales on it, besides the other thresholds", async () => {
    const resources = await declare(() => {
      new WebSocketService("chat", { image: { uri: "nginx" }, cpuPercent: 0, scalingMetric });
    });
    assert.deepEqual(policyNames(resources), ["chat-scaling-requests", "chat-scaling-metric"]);
    const policy = resources.find(({ name }) => name === "chat-scaling-metric");
    const { targetValue, customizedMetricSpecification } = at(
      policy?.inputs,
      "targetTrackingScalingPolicyConfiguration",
    );
    assert.equal(targetValue, 100);
    assert.deepEqual(customizedMetricSpecification, {
      namespace: "Chat",
      metricName: "Subscriptions",
      dimensions: [{ name: "Service", value: "chat" }],
      statistic: "Average",
      unit: "Count",
    });
  });

  it("needs no other threshold", async () => {
    const none = { requestsPerTarget: 0, cpuPercent: 0, scalingMetric };
    const resources = await declare(() => {
      new WebSocketService("chat", { image: { uri: "nginx" }, ...none });
      new WebSocketService("news", { access: "open", connectionsPerTask: 0, ...none });
    });
    assert.deepEqual(policyNames(resources), ["chat-scaling-metric", "news-scaling-metric"]);
  });
});

describe("the arguments beside another server", () => {
  for (const [args, lines] of [
    [
      { image: { uri: "nginx" }, access: "open", maxConnections: 10 },
      [
        "`access`: got a value; expected nothing beside image, because it is a setting of the server of this package. Fix: remove `access`",
        "`maxConnections`: got a value; expected nothing beside image, because it is a setting of the server of this package. Fix: remove `maxConnections`",
      ],
    ],
    // Each is reported once, although its value is also wrong.
    [
      { image: { uri: "nginx" }, access: "everyone", maxConnections: 0 },
      [
        "`access`: got a value; expected nothing beside image, because it is a setting of the server of this package. Fix: remove `access`",
        "`maxConnections`: got a value; expected nothing beside image, because it is a setting of the server of this package. Fix: remove `maxConnections`",
      ],
    ],
    [
      { image: { uri: "nginx" }, access: "token" },
      [
        "`access`: got a value; expected nothing beside image, because it is a setting of the server of this package. Fix: remove `access`",
      ],
    ],
    [
      { image: { uri: "nginx" }, repositoryName: "team/chat" },
      [
        "`repositoryName`: got a value; expected nothing beside image.uri, because no image is built. Fix: remove `repositoryName`",
      ],
    ],
    [
      { image: { uri: "nginx" }, connectionsPerTask: 0 },
      [
        "`connectionsPerTask`: got a value; expected nothing beside image, because only the server of this package reports its connections; use scalingMetric. Fix: remove `connectionsPerTask`",
      ],
    ],
    [
      { image: {}, minTasks: 0, sidecars: { "a b": { image: "otel" } } },
      [
        "`image`: got neither uri nor build; expected exactly one of them",
        '`sidecars`: got the name "a b"; expected up to 255 letters, digits, hyphens and underscores, and not websocket-service',
        "`minTasks`: got 0; expected a whole number from 1 to 1000 (tasks). Fix: `minTasks: 1`",
      ],
    ],
    [
      { image: { uri: "nginx" }, minTasks: 9, requestsPerTarget: 0, cpuPercent: 0 },
      [
        "`minTasks`: got 9; expected at most maxTasks (5). Fix: `maxTasks: 9`",
        "`requestsPerTarget`: got 0, as cpuPercent; expected at least one threshold above 0, because the number of tasks would never change. Fix: `requestsPerTarget: 10000`",
      ],
    ],
    [
      {
        edge: "api-gateway",
        apiGatewayUrl: "wss://abcdef1234.execute-api.eu-west-1.amazonaws.com/prod",
        image: { uri: "nginx" },
      },
      [
        "`image`: got a value; expected nothing with edge api-gateway, which has no tasks. Fix: remove `image`",
      ],
    ],
  ] as const) {
    it(`cannot be ${JSON.stringify(args)}`, async () => {
      await assert.rejects(
        declare(() => {
          // A caller without types.
          Reflect.construct(WebSocketService, ["chat", args]);
        }),
        (error: unknown) => {
          assert.ok(error instanceof ConfigError, String(error));
          assert.deepEqual(
            error.message
              .split("\n")
              .slice(1)
              .map((line) => line.trim().replace(/\.$/, "")),
            lines,
          );
          return true;
        },
      );
    });
  }
});

function onlyOne(resources: readonly Registered[], wanted: string): Registered {
  const [found, ...others] = resources.filter(({ type }) => type === wanted);
  assert.ok(found, `no ${wanted}`);
  assert.equal(others.length, 0, `several ${wanted}`);
  return found;
}

function policyNames(resources: readonly Registered[]): readonly string[] {
  return resources.filter(({ type }) => type === "aws:appautoscaling/policy:Policy").map(({ name }) => name);
}

function valueOf<T>(output: pulumi.Output<T>): Promise<T> {
  return new Promise((resolve) => {
    output.apply((value) => {
      resolve(value);
    });
  });
}
