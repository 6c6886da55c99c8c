/** The cluster, the service with its tasks, their roles, image and autoscaling. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import type * as pulumi from "@pulumi/pulumi";
import { settingDefinitions } from "../../../app/src/settings/settings.ts";
import { createServiceTransform } from "../../../infra/components/tasks/service.ts";
import { findResources, findResource } from "../../../infra/evaluation/graph.ts";
import type { DeclaredGraph } from "../../../infra/evaluation/graph.ts";
import { declaredGraph } from "../../support/stacks.ts";
import { at, list, number, text } from "../../support/values.ts";
import * as the from "./support.ts";

const DOCKERFILE = path.resolve(import.meta.dirname, "../../../app/Dockerfile");
const ACCOUNT = "123456789012";

describe("the tasks", () => {
  let graph: DeclaredGraph;
  let container: the.Inputs;

  before(async () => {
    graph = await declaredGraph("dev");
    container = the.containerOf(graph);
  });

  it("run the built image by digest, for the platform of the image", () => {
    const { inputs, outputs } = findResource(graph, "awsx:ecr:Image");
    assert.match(text(container, "image"), /@sha256:[0-9a-f]{64}$/);
    assert.equal(container["image"], outputs["imageUri"]);
    assert.equal(graph.outputs["imageUri"], outputs["imageUri"]);
    assert.equal(inputs["platform"], "linux/arm64");
    assert.deepEqual(at(the.taskDefinitionOf(graph), "runtimePlatform"), {
      cpuArchitecture: "ARM64",
      operatingSystemFamily: "LINUX",
    });
  });

  it("run in the cluster, and end with their container", () => {
    assert.equal(the.serviceOf(graph)["cluster"], the.clusterOf(graph).outputs["arn"]);
    // Families of other stacks in the account differ.
    assert.equal(the.taskDefinitionOf(graph)["family"], the.clusterOf(graph).outputs["name"]);
    assert.equal(container["essential"], true);
  });

  it("get settings that the server accepts, and listen on every address", () => {
    assert.equal(the.serverSettingsOf(graph).host, "0.0.0.0");
  });

  it("check their health with the program of the image", () => {
    const [, command = ""] = /^CMD (\[.*\])$/m.exec(readFileSync(DOCKERFILE, "utf8")) ?? [];
    assert.deepEqual(list(container, "healthCheck.command"), [
      "CMD",
      // The options of Node.js are for the memory of a process that serves.
      ...(JSON.parse(command) as string[]).filter((argument) => !argument.startsWith("--")),
      "health",
    ]);
  });

  it("have at least the grace period of the load balancer to start", () => {
    const { startPeriod, interval, retries, timeout } = at(container, "healthCheck");
    const untilUnhealthy = Number(startPeriod) + Number(interval) * Number(retries);
    assert.ok(untilUnhealthy >= number(the.serviceOf(graph), "healthCheckGracePeriodSeconds"));
    assert.ok(Number(timeout) < Number(interval));
  });

  it("have no capabilities, and an init process that forwards signals", () => {
    assert.deepEqual(container["linuxParameters"], {
      capabilities: { drop: ["ALL"] },
      initProcessEnabled: true,
    });
  });

  it("can open a file for each connection", () => {
    const [limit] = list(container, "ulimits");
    assert.equal(text(limit, "name"), "nofile");
    assert.ok(number(limit, "softLimit") > settingDefinitions.maxConnections.max);
    assert.ok(number(limit, "hardLimit") >= number(limit, "softLimit"));
  });

  it("buffer log lines, which go to a log group of the stack", () => {
    const options = at(container, "logConfiguration.options");
    assert.match(String(options["max-buffer-size"]), /^[1-9]\d*[km]$/, "a size without a unit is in bytes");
    const group = the.logGroupsOf(graph).find(({ outputs }) => outputs["name"] === options["awslogs-group"]);
    assert.ok(group);
    // Otherwise awsx creates a second log group.
    assert.deepEqual(the.taskDefinitionOf(graph)["logGroup"], { existing: { arn: group.outputs["arn"] } });
  });

  it("have the tags of the service", () => {
    const { propagateTags, enableEcsManagedTags } = the.serviceOf(graph);
    assert.deepEqual([propagateTags, enableEcsManagedTags], ["SERVICE", true]);
  });

  it("are replaced one by one, across availability zones", () => {
    const { deploymentMinimumHealthyPercent, deploymentMaximumPercent, availabilityZoneRebalancing } =
      the.serviceOf(graph);
    assert.deepEqual(
      [deploymentMinimumHealthyPercent, deploymentMaximumPercent, availabilityZoneRebalancing],
      [100, 200, "ENABLED"],
    );
  });

  describe("scale by policies that", () => {
    const POLICY = "aws:appautoscaling/policy:Policy";
    const policyOf = (graphOf: DeclaredGraph, name: string): the.Inputs => {
      const policy = findResources(graphOf, POLICY).find((resource) => resource.name === name);
      assert.ok(policy, `${name} is declared`);
      return policy.inputs;
    };
    const trackingOf = (graphOf: DeclaredGraph, name: string): the.Inputs =>
      at(policyOf(graphOf, name), "targetTrackingScalingPolicyConfiguration");

    it("track the connections that the tasks log, by the name of their service", () => {
      const { targetValue, customizedMetricSpecification: metric } = trackingOf(
        graph,
        "websocket-scaling-connections",
      );
      assert.equal(targetValue, 5);
      assert.deepEqual(metric, {
        namespace: "WebSocket",
        metricName: "Connections",
        dimensions: [{ name: "ServiceName", value: the.serverSettingsOf(graph).serviceName }],
        statistic: "Average",
        unit: "Count",
      });
    });

    it("track the requests to the target group", () => {
      const arnSuffixOf = ({ outputs }: { outputs: the.Inputs }): string => String(outputs["arnSuffix"]);
      const { targetValue, predefinedMetricSpecification } = trackingOf(graph, "websocket-scaling-requests");
      assert.equal(targetValue, 5);
      assert.deepEqual(predefinedMetricSpecification, {
        predefinedMetricType: "ALBRequestCountPerTarget",
        resourceLabel: `${arnSuffixOf(the.loadBalancerOf(graph))}/${arnSuffixOf(the.targetGroupOf(graph))}`,
      });
    });

    it("track the CPU utilization of the tasks", () => {
      const { targetValue, predefinedMetricSpecification } = trackingOf(graph, "websocket-scaling-cpu");
      assert.equal(targetValue, 60);
      assert.deepEqual(predefinedMetricSpecification, {
        predefinedMetricType: "ECSServiceAverageCPUUtilization",
      });
    });

    it("are all of the service of the cluster, and have the declared cooldowns", () => {
      const target = findResource(graph, "aws:appautoscaling/target:Target").inputs;
      assert.equal(
        target["resourceId"],
        `service/${String(graph.outputs["clusterName"])}/${String(graph.outputs["serviceName"])}`,
      );
      assert.equal(target["scalableDimension"], "ecs:service:DesiredCount");
      for (const name of ["connections", "requests", "cpu"].map((metric) => `websocket-scaling-${metric}`)) {
        const policy = policyOf(graph, name);
        for (const key of ["resourceId", "scalableDimension", "serviceNamespace"]) {
          assert.equal(policy[key], target[key], `${key} of ${name}`);
        }
        const { scaleOutCooldown, scaleInCooldown } = trackingOf(graph, name);
        assert.deepEqual([scaleOutCooldown, scaleInCooldown], [60, 60], name);
      }
    });

    for (const [key, name] of [
      ["connectionsPerTask", "websocket-scaling-connections"],
      ["requestsPerTarget", "websocket-scaling-requests"],
      ["cpuPercent", "websocket-scaling-cpu"],
    ] as const) {
      it(`leave out ${name} if ${key} is 0`, async () => {
        const policies = findResources(await the.evaluateDev({ [key]: "0" }), POLICY);
        const names = policies.map((policy) => policy.name);
        assert.equal(names.length, 2);
        assert.ok(!names.includes(name), `${names.join(", ")} do not include ${name}`);
      });
    }

    it("are declared for a single task with the memory backplane too", async () => {
      const single = await the.evaluateDev({ backplane: "memory", maxTasks: "1", maxChannels: "100" });
      assert.equal(findResources(single, POLICY).length, 3);
    });
  });

  it("are between 1 and 5 in dev, and between 2 and 20 in prod", async () => {
    for (const [stack, expected] of [
      ["dev", { minCapacity: 1, maxCapacity: 5 }],
      ["prod", { minCapacity: 2, maxCapacity: 20 }],
    ] as const) {
      const { inputs } = findResource(await declaredGraph(stack), "aws:appautoscaling/target:Target");
      const { minCapacity, maxCapacity } = inputs;
      assert.deepEqual({ minCapacity, maxCapacity }, expected, stack);
    }
  });
});

describe("the transform of the service", () => {
  const optionsOf = (type: string, protect: boolean): pulumi.CustomResourceOptions | undefined => {
    const args = { type, name: "any", custom: true, props: {}, opts: {} };
    const result = createServiceTransform({ protect })(args);
    assert.ok(!(result instanceof Promise));
    return result?.opts;
  };

  it("leaves the number of tasks to autoscaling, and replaces a service with another load balancer", () => {
    for (const protect of [true, false]) {
      assert.deepEqual(optionsOf("aws:ecs/service:Service", protect), {
        ignoreChanges: ["desiredCount"],
        replaceOnChanges: ["loadBalancers"],
        // A value of false would override the option of the whole component.
        ...(protect && { protect }),
      });
    }
  });

  it("protects the resources that carry client traffic and on which no other resource depends", () => {
    for (const type of [
      "aws:ec2/internetGateway:InternetGateway",
      "aws:ec2/route:Route",
      "aws:ec2/routeTableAssociation:RouteTableAssociation",
      "aws:route53/record:Record",
    ]) {
      assert.equal(optionsOf(type, true)?.protect, true, type);
    }
    assert.equal(optionsOf("aws:ecs/taskDefinition:TaskDefinition", true), undefined);
  });
});

describe("the image", () => {
  it("has a tag of its content and a random part, which changes with the content", async () => {
    const graph = await declaredGraph("dev");
    const change = findResources(graph, "random:index/randomId:RandomId").find(({ name }) =>
      name.endsWith("-change"),
    );
    assert.ok(change);
    const hash = text(change.inputs, "keepers.contentHash");
    const { imageTag, repositoryUrl } = findResource(graph, "awsx:ecr:Image").inputs;
    assert.equal(imageTag, `${hash}-${String(change.outputs["hex"])}`);
    assert.equal(
      repositoryUrl,
      findResource(graph, "aws:ecr/repository:Repository").outputs["repositoryUrl"],
    );
  });
});

describe("the repository of the image", () => {
  it("encrypts with a key of AWS, which costs nothing", async () => {
    const { inputs } = findResource(await declaredGraph("dev"), "aws:ecr/repository:Repository");
    assert.deepEqual(inputs["encryptionConfigurations"], [{ encryptionType: "AES256" }]);
  });

  it("keeps some images for rollbacks, and deletes older ones with any tag", async () => {
    const { inputs } = findResource(await declaredGraph("dev"), "aws:ecr/lifecyclePolicy:LifecyclePolicy");
    const [rule] = list(JSON.parse(text(inputs, "policy")), "rules");
    const { tagStatus, countType, countNumber } = at(rule, "selection");
    assert.deepEqual([tagStatus, countType], ["any", "imageCountMoreThan"]);
    assert.ok(Number(countNumber) > 1);
    assert.deepEqual(at(rule, "action"), { type: "expire" });
  });
});

describe("the roles of a task", () => {
  let graph: DeclaredGraph;

  before(async () => {
    graph = await declaredGraph("prod");
  });

  it("are a task role and an execution role, which only tasks of this account assume", () => {
    const roles = findResources(graph, "aws:iam/role:Role");
    const { taskRole, executionRole } = the.taskDefinitionOf(graph);
    assert.deepEqual(
      [taskRole, executionRole].map((role) => at(role, "")["roleArn"]),
      ["task", "execution"].map(
        (kind) => roles.find(({ name }) => name === `websocket-service-${kind}-role`)?.outputs["arn"],
      ),
    );
    for (const { name, inputs } of roles) {
      const [statement] = the.statementsIn(inputs, "assumeRolePolicy");
      assert.deepEqual(statement?.Principal, { Service: "ecs-tasks.amazonaws.com" }, name);
      assert.deepEqual(statement.Condition, { StringEquals: { "aws:SourceAccount": ACCOUNT } }, name);
    }
  });

  it("allow ECS to pull from the repository, to write the log and to read the secrets", () => {
    const parameters = findResources(graph, "aws:ssm/parameter:Parameter").map(
      ({ outputs }) => outputs["arn"],
    );
    const repository = findResource(graph, "aws:ecr/repository:Repository").outputs["arn"];
    const resources = new Map(
      the
        .roleStatementsOf(graph, "execution")
        .flatMap(({ Action, Resource }) =>
          [Action].flat().map((action) => [action, String(Resource)] as const),
        ),
    );
    const logGroup = the
      .logGroupsOf(graph)
      .find(
        ({ outputs }) =>
          outputs["name"] === at(the.containerOf(graph), "logConfiguration.options")["awslogs-group"],
      );
    assert.equal(resources.get("ssm:GetParameters"), parameters.join());
    assert.equal(resources.get("ecr:BatchGetImage"), repository);
    assert.equal(resources.get("ecr:GetDownloadUrlForLayer"), repository);
    assert.equal(resources.get("logs:PutLogEvents"), `${String(logGroup?.outputs["arn"])}:*`);
    assert.equal(resources.get("logs:CreateLogStream"), `${String(logGroup?.outputs["arn"])}:*`);
  });
});

describe("the cluster", () => {
  it("depends on the log group of Container Insights, so that ECS does not create one", async () => {
    const graph = await declaredGraph("dev");
    const { inputs, options } = the.clusterOf(graph);
    const insights = the
      .logGroupsOf(graph)
      .find(
        (group) => group.inputs["name"] === `/aws/ecs/containerinsights/${text(inputs, "name")}/performance`,
      );
    assert.ok(insights);
    assert.ok(options.dependsOn.includes(insights.urn));
  });
});

describe("ECS Exec", () => {
  it("logs its sessions, with permissions of the task role", async () => {
    const graph = await the.evaluateDev({ enableExec: "true" });
    const { logging, logConfiguration } = at(
      the.clusterOf(graph).inputs,
      "configuration.executeCommandConfiguration",
    );
    const group = the
      .logGroupsOf(graph)
      .find(({ outputs }) => outputs["name"] === at(logConfiguration, "")["cloudWatchLogGroupName"]);

    assert.equal(logging, "OVERRIDE");
    assert.equal(the.serviceOf(graph)["enableExecuteCommand"], true);
    assert.ok(group);
    const allowed = the
      .roleStatementsOf(graph, "task")
      .flatMap(({ Action, Resource }) => [Action].flat().map((action) => `${action} ${String(Resource)}`));
    for (const action of ["CreateLogStream", "DescribeLogStreams", "PutLogEvents"]) {
      assert.ok(allowed.includes(`logs:${action} ${String(group.outputs["arn"])}:*`), action);
    }
    for (const channel of ["CreateControl", "CreateData", "OpenControl", "OpenData"]) {
      assert.ok(allowed.includes(`ssmmessages:${channel}Channel *`), channel);
    }
  });

  it("is on in dev and off in prod, where the task role has no permission", async () => {
    assert.equal(the.serviceOf(await declaredGraph("dev"))["enableExecuteCommand"], true);
    const prod = await declaredGraph("prod");
    assert.equal(the.serviceOf(prod)["enableExecuteCommand"], false);
    assert.equal(the.clusterOf(prod).inputs["configuration"], undefined);
    assert.deepEqual(the.roleStatementsOf(prod, "task"), []);
  });
});
