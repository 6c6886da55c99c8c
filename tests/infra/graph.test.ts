import assert from "node:assert/strict";
import { fromEnvironment } from "../../app/src/settings/environment.ts";
import { settingDefinitions } from "../../app/src/settings/settings.ts";
import { configDefinitions } from "../../infra/config/definitions.ts";
import { evaluateStack } from "../../infra/evaluation/evaluate.ts";
import { ofType, theOnly } from "../../infra/evaluation/graph.ts";
import type { DeclaredGraph, DeclaredResource } from "../../infra/evaluation/graph.ts";
import { checkTimeouts } from "../../infra/config/timeouts.ts";
import { at, list, number, text } from "../support/values.ts";
import { declaredGraph } from "../support/stacks.ts";

/** Pulumi appends a hyphen and seven hexadecimal digits to the names of load balancers and target groups. */
const AUTONAME_SUFFIX = 8;
/** Most characters of such a name (Elastic Load Balancing API, CreateLoadBalancer and CreateTargetGroup). */
const LONGEST_NAME = 32;

/** CloudFront's addresses towards origins, in us-east-1: the list `com.amazonaws.global.cloudfront.origin-facing`. */
const CLOUDFRONT_PREFIX_LIST_ID = "pl-3b927c52";

/** Titles of the tests that failed on one stack: what is wrong with both fails once. */
const failed = new Set<string>();

for (const stack of ["dev", "prod"]) {
  describe(`the graph of stack ${stack}`, () => {
    let graph: DeclaredGraph;

    const titleOf = (test: Mocha.Test | undefined): string => test?.titlePath().slice(1).join(" ") ?? "";

    beforeEach(function () {
      if (failed.has(titleOf(this.currentTest))) this.skip();
    });

    afterEach(function () {
      if (this.currentTest?.state === "failed") failed.add(titleOf(this.currentTest));
    });

    before(async () => {
      graph = await declaredGraph(stack);
    });

    describe("structure", () => {
      it("puts every resource under a component, and every component under the stack", () => {
        const byUrn = new Map(graph.resources.map((resource) => [resource.urn, resource]));
        const root = theOnly(graph, "pulumi:pulumi:Stack");
        for (const resource of graph.resources) {
          if (resource === root) continue;
          const parent = byUrn.get(resource.parent ?? "");
          assert.ok(parent, `${resource.type} ${resource.name} has a parent in the graph`);
          const ours = resource.type.startsWith("websocket:");
          const expected =
            ours || resource.type.startsWith("pulumi:providers:") ? root.type : "websocket:infra:";
          assert.ok(parent.type.startsWith(expected), `${resource.name} is under ${parent.type}`);
        }
      });

      it("gives every aws resource the one explicit provider, which tags everything", () => {
        const provider = theOnly(graph, "pulumi:providers:aws");
        const aws = graph.resources.filter(({ type }) => type.startsWith("aws:"));
        assert.ok(aws.length > 20);
        for (const { name, provider: reference } of aws) {
          assert.equal(reference, `${provider.urn}::${provider.id}`, name);
        }
        assert.deepEqual(JSON.parse(text(provider.inputs, "defaultTags")), {
          tags: { Project: "websocket", Stack: stack, ManagedBy: "pulumi" },
        });
      });

      it("keeps names short enough for AWS after Pulumi's suffix", () => {
        for (const type of ["aws:lb/loadBalancer:LoadBalancer", "aws:lb/targetGroup:TargetGroup"]) {
          assert.ok(theOnly(graph, type).name.length + AUTONAME_SUFFIX <= LONGEST_NAME);
        }
      });

      it("tells its users where it is, and never the secret", () => {
        assert.deepEqual(Object.keys(graph.outputs).sort(), [
          "clusterName",
          "distributionDomainName",
          "imageUri",
          // What is inside the VPC answers nobody.
          ...(isInternal(graph) ? [] : ["loadBalancerDnsName"]),
          "serviceName",
          "websocketUrl",
        ]);
        const domain = theOnly(graph, "aws:cloudfront/distribution:Distribution").outputs["domainName"];
        assert.equal(graph.outputs["websocketUrl"], `wss://${String(domain)}/wss`);
        if (!isInternal(graph)) {
          assert.equal(graph.outputs["loadBalancerDnsName"], loadBalancer(graph).outputs["dnsName"]);
        }
        for (const secret of [ORIGIN_SECRET, BACKPLANE_PASSWORD]) {
          assert.ok(!JSON.stringify(graph.outputs).includes(secretOf(graph, secret)));
        }
        assert.deepEqual(graph.secretOutputs, []);
      });
    });

    describe("the secret header", () => {
      it("is the same at the origin that sends it and at the rule that asks for it", () => {
        const sent = at(distribution(graph), "origins[0].customHeaders[0]");
        const asked = at(rule(graph), "conditions[0].httpHeader");
        assert.equal(text(asked, "httpHeaderName"), text(sent, "name"));
        assert.deepEqual(list(asked, "values"), [text(sent, "value")]);
        assert.equal(text(sent, "value"), secretOf(graph, ORIGIN_SECRET));
      });

      it("is secret wherever it stands, and stands nowhere else", () => {
        assert.deepEqual(holdersOf(graph, ORIGIN_SECRET), [
          "aws:cloudfront/distribution:Distribution",
          "aws:lb/listenerRule:ListenerRule",
        ]);
      });

      it("has no character that a listener rule would read as a wildcard", () => {
        const { inputs } = randomPassword(graph, ORIGIN_SECRET);
        assert.equal(inputs["special"], false);
        assert.ok(number(inputs, "length") <= 128);
      });
    });

    describe("the way of a request", () => {
      it("ends at the load balancer unless it has the header", () => {
        const listener = theOnly(graph, "aws:lb/listener:Listener");
        assert.equal(listener.inputs["port"], 80);
        assert.equal(listener.inputs["loadBalancerArn"], loadBalancer(graph).outputs["arn"]);
        assert.equal(text(listener.inputs, "defaultActions[0].type"), "fixed-response");
        assert.equal(text(listener.inputs, "defaultActions[0].fixedResponse.statusCode"), "403");
        assert.equal(rule(graph)["listenerArn"], listener.outputs["arn"]);
        assert.equal(text(rule(graph), "actions[0].type"), "forward");
        assert.equal(text(rule(graph), "actions[0].targetGroupArn"), targetGroup(graph).outputs["arn"]);
      });

      it("goes from the distribution to this load balancer, and is never cached", () => {
        const inputs = distribution(graph);
        assert.equal(text(inputs, "origins[0].domainName"), loadBalancer(graph).outputs["dnsName"]);
        assert.equal(
          text(inputs, "defaultCacheBehavior.targetOriginId"),
          text(inputs, "origins[0].originId"),
        );
        assert.equal(text(inputs, "defaultCacheBehavior.viewerProtocolPolicy"), "https-only");
        assert.deepEqual(list(inputs, "defaultCacheBehavior.allowedMethods").toSorted(), [
          "DELETE",
          "GET",
          "HEAD",
          "OPTIONS",
          "PATCH",
          "POST",
          "PUT",
        ]);
        assert.equal(inputs["defaultRootObject"], "index.html");
        assert.equal(inputs["isIpv6Enabled"], true);
        assert.equal(text(inputs, "viewerCertificate.minimumProtocolVersion"), "TLSv1.2_2021");
      });

      it("uses CloudFront's managed policies CachingDisabled, AllViewer and SecurityHeadersPolicy", () => {
        const { cachePolicyId, originRequestPolicyId, responseHeadersPolicyId } = at(
          distribution(graph),
          "defaultCacheBehavior",
        );
        assert.equal(cachePolicyId, "4135ea2d-6df8-44a3-9df3-4b5a84be39ad");
        assert.equal(originRequestPolicyId, "216adef6-5c7f-47e4-b989-5492eafa07d3");
        assert.equal(responseHeadersPolicyId, "67f7725c-6f97-4210-82d7-5512b31e9d03");
      });

      it("reaches the container on one port, from the rule of the security group to the server's setting", () => {
        const port = number(targetGroup(graph).inputs, "port");
        const registered = at(service(graph), "loadBalancers[0]");
        assert.equal(registered["containerPort"], port);
        assert.equal(registered["containerName"], text(container(graph), "name"));
        assert.equal(registered["targetGroupArn"], targetGroup(graph).outputs["arn"]);
        assert.equal(number(container(graph), "portMappings[0].containerPort"), port);
        assert.equal(serverSettings(graph).port, port);
      });
    });

    describe("security groups", () => {
      it("let CloudFront reach the load balancer, that the tasks, these the backplane, and nobody else", () => {
        const rules = ofType(graph, "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule");
        assert.deepEqual(rules.map(({ inputs: { description, ...inputs } }) => inputs).toSorted(byPort), [
          {
            securityGroupId: loadBalancerGroup(graph),
            ipProtocol: "tcp",
            fromPort: 80,
            toPort: 80,
            prefixListId: CLOUDFRONT_PREFIX_LIST_ID,
          },
          {
            securityGroupId: backplaneGroup(graph),
            ipProtocol: "tcp",
            fromPort: 6379,
            toPort: 6380,
            referencedSecurityGroupId: taskGroup(graph),
          },
          {
            securityGroupId: taskGroup(graph),
            ipProtocol: "tcp",
            fromPort: 8080,
            toPort: 8080,
            referencedSecurityGroupId: loadBalancerGroup(graph),
          },
        ]);
      });

      it("let the tasks out to AWS and to the backplane, the load balancer to the tasks, and the backplane nowhere", () => {
        const rules = ofType(graph, "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule");
        assert.deepEqual(rules.map(({ inputs: { description, ...inputs } }) => inputs).toSorted(byPort), [
          {
            securityGroupId: taskGroup(graph),
            ipProtocol: "tcp",
            fromPort: 443,
            toPort: 443,
            cidrIpv4: "0.0.0.0/0",
          },
          {
            securityGroupId: taskGroup(graph),
            ipProtocol: "tcp",
            fromPort: 6379,
            toPort: 6380,
            referencedSecurityGroupId: backplaneGroup(graph),
          },
          {
            securityGroupId: loadBalancerGroup(graph),
            ipProtocol: "tcp",
            fromPort: 8080,
            toPort: 8080,
            referencedSecurityGroupId: taskGroup(graph),
          },
        ]);
      });

      it("describe every group and every rule, and hold no rules of their own", () => {
        for (const resource of graph.resources.filter(({ type }) => type.includes("ecurityGroup"))) {
          if (resource.type === "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup") continue;
          assert.ok(resource.inputs["description"], resource.name);
          assert.equal(resource.inputs["ingress"], undefined);
          assert.equal(resource.inputs["egress"], undefined);
        }
      });

      it("take the VPC's default group out of use", () => {
        const { inputs } = theOnly(graph, "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup");
        assert.deepEqual(Object.keys(inputs), ["vpcId"]);
      });
    });

    describe("the task", () => {
      it("is ARM64 wherever that is said", () => {
        assert.equal(text(taskDefinition(graph), "runtimePlatform.cpuArchitecture"), "ARM64");
        assert.equal(theOnly(graph, "awsx:ecr:Image").inputs["platform"], "linux/arm64");
      });

      it("runs the built image by its digest", () => {
        assert.match(text(container(graph), "image"), /@sha256:[0-9a-f]{64}$/);
        assert.equal(text(container(graph), "image"), theOnly(graph, "awsx:ecr:Image").outputs["imageUri"]);
        assert.equal(graph.outputs["imageUri"], text(container(graph), "image"));
      });

      it("is told settings that the server accepts", () => {
        assert.equal(serverSettings(graph).host, "0.0.0.0");
      });

      it("keeps no capability, and has roles of its own", () => {
        assert.deepEqual(list(container(graph), "linuxParameters.capabilities.drop"), ["ALL"]);
        const roles = ofType(graph, "aws:iam/role:Role").map(({ outputs }) => outputs["arn"]);
        assert.deepEqual(
          [
            text(taskDefinition(graph), "taskRole.roleArn"),
            text(taskDefinition(graph), "executionRole.roleArn"),
          ].toSorted(),
          roles.toSorted(),
        );
      });

      it("logs into a group of the stack", () => {
        const groups = ofType(graph, "aws:cloudwatch/logGroup:LogGroup").map(
          ({ outputs }) => outputs["name"],
        );
        assert.ok(groups.includes(at(container(graph), "logConfiguration.options")["awslogs-group"]));
      });
    });

    describe("timeouts", () => {
      it("form a chain: heartbeat, load balancer, drain, stop", () => {
        const { heartbeatSeconds, drainSeconds } = serverSettings(graph);
        assert.deepEqual(
          checkTimeouts({
            heartbeatSeconds,
            drainSeconds,
            idleTimeoutSeconds: number(loadBalancer(graph).inputs, "idleTimeout"),
            stopTimeoutSeconds: number(container(graph), "stopTimeout"),
          }),
          [],
        );
      });

      it("let a task fail its health checks for less than the grace period", () => {
        const check = at(targetGroup(graph).inputs, "healthCheck");
        const toUnhealthy = number(check, "interval") * number(check, "unhealthyThreshold");
        assert.ok(toUnhealthy < number(service(graph), "healthCheckGracePeriodSeconds"));
        assert.ok(number(check, "timeout") < number(check, "interval"));
      });

      it("give a task that waits for Valkey the whole grace period in the container's check too", () => {
        const check = at(container(graph), "healthCheck");
        const untilUnhealthy =
          number(check, "startPeriod") + number(check, "interval") * number(check, "retries");
        assert.ok(untilUnhealthy >= number(service(graph), "healthCheckGracePeriodSeconds"));
      });
    });

    describe("autoscaling", () => {
      it("follows this load balancer and this target group, for this service", () => {
        const policy = theOnly(graph, "aws:appautoscaling/policy:Policy").inputs;
        const target = theOnly(graph, "aws:appautoscaling/target:Target");
        const cluster = theOnly(graph, "aws:ecs/cluster:Cluster");
        const label = `${String(loadBalancer(graph).outputs["arnSuffix"])}/${String(targetGroup(graph).outputs["arnSuffix"])}`;
        const metric = at(policy, "targetTrackingScalingPolicyConfiguration.predefinedMetricSpecification");
        assert.equal(metric["predefinedMetricType"], "ALBRequestCountPerTarget");
        assert.equal(metric["resourceLabel"], label);
        assert.equal(policy["resourceId"], target.inputs["resourceId"]);
        assert.equal(
          target.inputs["resourceId"],
          `service/${String(cluster.outputs["name"])}/${String(graph.outputs["serviceName"])}`,
        );
      });
    });

    describe("logs", () => {
      it("go to one bucket, which is closed to everyone but AWS's log services", () => {
        const bucket = theOnly(graph, "aws:s3/bucket:Bucket").outputs;
        assert.equal(at(loadBalancer(graph).inputs, "accessLogs")["bucket"], bucket["bucket"]);
        const arn = String(bucket["arn"]);
        assert.ok(
          text(theOnly(graph, "aws:ec2/flowLog:FlowLog").inputs, "logDestination").startsWith(`${arn}/`),
        );
        assert.ok(
          text(
            theOnly(graph, "aws:cloudwatch/logDeliveryDestination:LogDeliveryDestination").inputs,
            "deliveryDestinationConfiguration.destinationResourceArn",
          ).startsWith(`${arn}/`),
        );
        const { bucket: _bucket, ...blocks } = theOnly(
          graph,
          "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
        ).inputs;
        assert.deepEqual(Object.values(blocks), [true, true, true, true]);
      });

      it("of the distribution are delivered from us-east-1, where CloudFront lives", () => {
        for (const kind of ["LogDelivery", "LogDeliverySource", "LogDeliveryDestination"]) {
          const type = `aws:cloudwatch/${kind.charAt(0).toLowerCase()}${kind.slice(1)}:${kind}`;
          assert.equal(theOnly(graph, type).inputs["region"], "us-east-1");
        }
      });
    });

    it("protects what carries its traffic as the stack says, and nothing that an update must replace", () => {
      assert.deepEqual(
        graph.resources
          .filter(({ options }) => options.protect)
          .map(({ type }) => type)
          .sort(),
        stack === "prod"
          ? [
              "aws:cloudfront/distribution:Distribution",
              "aws:elasticache/serverlessCache:ServerlessCache",
              "aws:lb/loadBalancer:LoadBalancer",
            ]
          : [],
      );
    });

    it("keeps or removes logs and images as the stack says, all of them", () => {
      const keep = stack === "prod";
      const data = graph.resources.filter(({ type }) => /^aws:(s3|ecr)\/|logGroup:/.test(type));
      assert.ok(data.length >= 8);
      for (const { name, options } of data) assert.equal(options.retainOnDelete, keep, name);
      assert.equal(theOnly(graph, "aws:s3/bucket:Bucket").inputs["forceDestroy"], !keep);
      assert.equal(theOnly(graph, "aws:ecr/repository:Repository").inputs["forceDelete"], !keep);
      // An image stays in its repository for rollbacks: the repository's own fate decides.
      data.push(theOnly(graph, "awsx:ecr:Image"));
      for (const { name, options } of graph.resources.filter((resource) => !data.includes(resource))) {
        assert.equal(options.retainOnDelete, false, name);
      }
    });

    describe("the backplane", () => {
      it("is a Valkey that the tasks reach by TLS, at the address of its own endpoint", () => {
        const { inputs, outputs } = cache(graph);
        assert.equal(inputs["engine"], "valkey");
        const { valkeyUrl, valkeyCluster } = serverSettings(graph);
        const url = new URL(valkeyUrl);
        assert.equal(url.protocol, "rediss:");
        assert.equal(url.hostname, text(outputs, "endpoints[0].address"));
        assert.equal(Number(url.port), number(outputs, "endpoints[0].port"));
        assert.equal(url.username, text(user(graph), "userName"));
        assert.equal(url.password, "");
        assert.equal(valkeyCluster, true);
      });

      it("admits one user, by a password that a task gets as a secret and never in plain", () => {
        const group = theOnly(graph, "aws:elasticache/userGroup:UserGroup").inputs;
        assert.equal(cache(graph).inputs["userGroupId"], group["userGroupId"]);
        assert.deepEqual(list(group, "userIds"), [user(graph)["userId"]]);
        assert.equal(text(user(graph), "authenticationMode.type"), "password");
        assert.deepEqual(list(user(graph), "authenticationMode.passwords"), [
          secretOf(graph, BACKPLANE_PASSWORD),
        ]);

        const parameter = theOnly(graph, "aws:ssm/parameter:Parameter");
        assert.equal(parameter.inputs["type"], "SecureString");
        assert.equal(parameter.inputs["value"], secretOf(graph, BACKPLANE_PASSWORD));
        assert.deepEqual(list(container(graph), "secrets"), [
          { name: settingDefinitions.valkeyPassword.variable, valueFrom: parameter.outputs["arn"] },
        ]);
        assert.deepEqual(holdersOf(graph, BACKPLANE_PASSWORD), [
          "aws:elasticache/user:User",
          "aws:ssm/parameter:Parameter",
        ]);
      });

      it("has a password that is long enough for ElastiCache, and legal in it", () => {
        const { inputs } = randomPassword(graph, BACKPLANE_PASSWORD);
        assert.equal(inputs["special"], false);
        assert.ok(number(inputs, "length") >= 32 && number(inputs, "length") <= 128);
      });

      it("lets ECS read that one parameter", () => {
        const statements = ofType(graph, "aws:iam/rolePolicy:RolePolicy")
          .flatMap(({ inputs }) => list(JSON.parse(text(inputs, "policy")), "Statement"))
          .filter((statement) => JSON.stringify(statement).includes("ssm:"));
        assert.deepEqual(statements, [
          {
            Effect: "Allow",
            Action: "ssm:GetParameters",
            Resource: [theOnly(graph, "aws:ssm/parameter:Parameter").outputs["arn"]],
          },
        ]);
      });

      it("allows its user the log's keys, and no command of those that rule over a server", () => {
        const words = text(user(graph), "accessString").split(" ");
        assert.deepEqual(words.slice(0, 3), ["on", "~{websocket}:*", "-@all"]);
        for (const word of words.slice(3)) assert.match(word, /^\+[a-z]+(\|[a-z]+)?$/);
        for (const command of ["config", "keys", "flushall", "acl", "debug", "cluster", "client", "script"]) {
          assert.ok(!words.includes(`+${command}`), command);
        }
      });

      it("is in the tasks' subnets, and capped", () => {
        assert.deepEqual(
          list(cache(graph).inputs, "subnetIds"),
          list(service(graph), "networkConfiguration.subnets"),
        );
        const limits = at(cache(graph).inputs, "cacheUsageLimits");
        assert.ok(number(limits, "dataStorage.maximum") > 0);
        assert.ok(number(limits, "ecpuPerSeconds[0].maximum") > 0);
      });

      it("has an alarm that goes off when it evicts a single key, and not when it reports nothing", () => {
        const { inputs } = theOnly(graph, "aws:cloudwatch/metricAlarm:MetricAlarm");
        assert.equal(
          `${text(inputs, "namespace")} ${text(inputs, "metricName")}`,
          "AWS/ElastiCache Evictions",
        );
        assert.deepEqual(inputs["dimensions"], { clusterId: cache(graph).outputs["name"] });
        assert.equal(text(inputs, "statistic"), "Sum");
        assert.equal(text(inputs, "comparisonOperator"), "GreaterThanThreshold");
        assert.equal(number(inputs, "threshold"), 0);
        assert.equal(text(inputs, "treatMissingData"), "notBreaching");
      });

      it("warns only of a protected stack that is open", () => {
        assert.equal(graph.warnings.length, stack === "prod" ? 1 : 0);
      });
    });
  });
}

describe("a user's address, without a token", () => {
  const OWN_NAME = { "websocket:domain": "ws.example.com", "websocket:hostedZoneId": "Z0123456789" };
  for (const [what, config, proxies] of [
    ["CloudFront and a public load balancer", { "websocket:originAccess": "public" }, 2],
    ["CloudFront and a private load balancer", { "websocket:originAccess": "private" }, 2],
    ["a load balancer alone", { "websocket:edge": "load-balancer", ...OWN_NAME }, 1],
  ] as const) {
    it(`is the one that is told to ${what}`, async () => {
      const graph = await evaluateStack({ stack: "dev", config });
      assert.equal(serverSettings(graph).trustedProxies, proxies);
    });
  }

  it("is not a stack's to say", () => {
    assert.ok(!("trustedProxies" in configDefinitions));
  });
});

describe("the stacks", () => {
  it("scale as the first design did in dev, and with room in prod", async () => {
    const scaling = async (stack: string): Promise<unknown> => {
      const graph = await declaredGraph(stack);
      const { minCapacity, maxCapacity } = theOnly(graph, "aws:appautoscaling/target:Target").inputs;
      const { targetValue } = at(
        theOnly(graph, "aws:appautoscaling/policy:Policy").inputs,
        "targetTrackingScalingPolicyConfiguration",
      );
      return { minCapacity, maxCapacity, targetValue };
    };
    assert.deepEqual(await scaling("dev"), { minCapacity: 1, maxCapacity: 5, targetValue: 5 });
    assert.deepEqual(await scaling("prod"), { minCapacity: 2, maxCapacity: 20, targetValue: 1000 });
  });

  it("offer no secret setting as a key, which would stand in plain text in their files", () => {
    const secrets = Object.entries(settingDefinitions).flatMap(([name, definition]) =>
      "secret" in definition ? [name] : [],
    );
    assert.ok(secrets.length > 0);
    for (const name of secrets) assert.ok(!(name in configDefinitions), name);
  });

  describe("with messages in the memory of one task", () => {
    let graph: DeclaredGraph;

    before(async () => {
      graph = await evaluateStack({
        stack: "dev",
        config: { "websocket:backplane": "memory", "websocket:maxTasks": "1" },
      });
    });

    it("declare no backplane, and give the task no word of one", () => {
      for (const { type } of graph.resources) assert.doesNotMatch(type, /elasticache|ssm/i);
      assert.equal(container(graph)["secrets"], undefined);
      const { valkeyUrl, valkeyCluster } = serverSettings(graph);
      assert.deepEqual({ valkeyUrl, valkeyCluster }, { valkeyUrl: "", valkeyCluster: false });
    });

    it("never run two tasks, not even while one replaces the other, and say what that costs", () => {
      const { deploymentMinimumHealthyPercent, deploymentMaximumPercent, availabilityZoneRebalancing } =
        service(graph);
      assert.deepEqual(
        [deploymentMinimumHealthyPercent, deploymentMaximumPercent, availabilityZoneRebalancing],
        [0, 100, "DISABLED"],
      );
      assert.match(graph.warnings.join(), /backplane is memory.*the retained messages are lost/);
    });
  });

  describe("with later generations of their secrets", () => {
    let graph: DeclaredGraph;

    before(async () => {
      graph = await evaluateStack({
        stack: "dev",
        config: { "websocket:originSecretGeneration": "7", "websocket:backplanePasswordGeneration": "3" },
      });
    });

    it("send the newest origin secret, and accept the one before it too", () => {
      const [newest, previous] = [secretOf(graph, "origin-secret-7"), secretOf(graph, "origin-secret-6")];
      assert.notEqual(newest, previous);
      assert.equal(text(distribution(graph), "origins[0].customHeaders[0].value"), newest);
      assert.deepEqual(list(rule(graph), "conditions[0].httpHeader.values"), [newest, previous]);
      for (const name of ["origin-secret-7", "origin-secret-6"]) {
        assert.ok(holdersOf(graph, name).includes("aws:lb/listenerRule:ListenerRule"));
      }
    });

    it("give tasks the newest password of the backplane, which accepts the one before it too", () => {
      const generations = ["backplane-password-3", "backplane-password-2"];
      assert.deepEqual(
        list(user(graph), "authenticationMode.passwords"),
        generations.map((name) => secretOf(graph, name)),
      );
      const parameters = ofType(graph, "aws:ssm/parameter:Parameter");
      assert.deepEqual(
        parameters.map(({ inputs }) => inputs["value"]),
        generations.map((name) => secretOf(graph, name)),
      );
      assert.equal(text(container(graph), "secrets[0].valueFrom"), parameters[0]?.outputs["arn"]);
    });

    it("let ECS still start tasks of the deployment before", () => {
      const policies = ofType(graph, "aws:iam/rolePolicy:RolePolicy").map(({ inputs }) =>
        text(inputs, "policy"),
      );
      for (const { outputs } of ofType(graph, "aws:ssm/parameter:Parameter")) {
        assert.ok(policies.some((policy) => policy.includes(text(outputs, "arn"))));
      }
    });

    it("keep no other generation", () => {
      assert.deepEqual(
        ofType(graph, "random:index/randomPassword:RandomPassword")
          .map(({ name }) => name)
          .sort(),
        ["backplane-password-2", "backplane-password-3", "origin-secret-6", "origin-secret-7"],
      );
    });
  });

  it("follow their configuration: a changed value reaches the resource that it is about", async () => {
    const graph = await evaluateStack({
      stack: "dev",
      config: {
        "websocket:idleTimeoutSeconds": "300",
        "websocket:deregistrationDelaySeconds": "7",
        "websocket:originHeaderName": "X-Origin-Other",
        "websocket:cpu": "2048",
        "websocket:memoryMiB": "4096",
        "websocket:backplaneMaxGB": "3",
        "websocket:backplaneMaxEcpus": "3000",
        "websocket:access": "token",
        "websocket:jwksUrl": "https://auth.example/keys",
        "websocket:jwtIssuer": "https://auth.example",
        "websocket:jwtAudience": "me",
        "websocket:allowedOrigins": '["https://a.example","https://b.example"]',
        "aws:region": "eu-west-1",
      },
    });
    assert.equal(loadBalancer(graph).inputs["idleTimeout"], 300);
    assert.equal(targetGroup(graph).inputs["deregistrationDelay"], 7);
    assert.equal(text(rule(graph), "conditions[0].httpHeader.httpHeaderName"), "X-Origin-Other");
    assert.equal(text(distribution(graph), "origins[0].customHeaders[0].name"), "X-Origin-Other");
    assert.equal(taskDefinition(graph)["cpu"], "2048");
    assert.equal(taskDefinition(graph)["memory"], "4096");
    assert.deepEqual(cache(graph).inputs["cacheUsageLimits"], {
      dataStorage: { maximum: 3, unit: "GB" },
      ecpuPerSeconds: [{ maximum: 3000 }],
    });
    assert.equal(serverSettings(graph).access, "token");
    assert.equal(serverSettings(graph).jwksUrl, "https://auth.example/keys");
    assert.deepEqual(serverSettings(graph).allowedOrigins, ["https://a.example", "https://b.example"]);
    assert.equal(theOnly(graph, "pulumi:providers:aws").inputs["region"], "eu-west-1");
    assert.equal(at(container(graph), "logConfiguration.options")["awslogs-region"], "eu-west-1");
  });
});

const ORIGIN_SECRET = "origin-secret-1";
const BACKPLANE_PASSWORD = "backplane-password-1";

type Inputs = Readonly<Record<string, unknown>>;

const distribution = (graph: DeclaredGraph): Inputs =>
  theOnly(graph, "aws:cloudfront/distribution:Distribution").inputs;
const rule = (graph: DeclaredGraph): Inputs => theOnly(graph, "aws:lb/listenerRule:ListenerRule").inputs;
const loadBalancer = (graph: DeclaredGraph) => theOnly(graph, "aws:lb/loadBalancer:LoadBalancer");
const isInternal = (graph: DeclaredGraph): boolean => loadBalancer(graph).inputs["internal"] === true;
const targetGroup = (graph: DeclaredGraph) => theOnly(graph, "aws:lb/targetGroup:TargetGroup");
const service = (graph: DeclaredGraph): Inputs => theOnly(graph, "awsx:ecs:FargateService").inputs;
const taskDefinition = (graph: DeclaredGraph): Inputs => at(service(graph), "taskDefinitionArgs");
const container = (graph: DeclaredGraph): Inputs => at(taskDefinition(graph), "container");
const cache = (graph: DeclaredGraph) => theOnly(graph, "aws:elasticache/serverlessCache:ServerlessCache");
const user = (graph: DeclaredGraph): Inputs => theOnly(graph, "aws:elasticache/user:User").inputs;
const backplaneGroup = (graph: DeclaredGraph) => list(cache(graph).inputs, "securityGroupIds")[0];
const loadBalancerGroup = (graph: DeclaredGraph) => list(loadBalancer(graph).inputs, "securityGroups")[0];
const taskGroup = (graph: DeclaredGraph) => list(service(graph), "networkConfiguration.securityGroups")[0];

function serverSettings(graph: DeclaredGraph): ReturnType<typeof fromEnvironment> {
  const variables = list(container(graph), "environment") as { name: string; value: string }[];
  return fromEnvironment(Object.fromEntries(variables.map(({ name, value }) => [name, value])));
}

function randomPassword(graph: DeclaredGraph, secret: string): DeclaredResource {
  const found = ofType(graph, "random:index/randomPassword:RandomPassword").find(
    ({ name }) => name === secret,
  );
  assert.ok(found, secret);
  return found;
}

function secretOf(graph: DeclaredGraph, secret: string): string {
  return String(randomPassword(graph, secret).outputs["result"]);
}

/** Types of the resources that get a secret, sorted; each has it in a property that is marked as secret. */
function holdersOf(graph: DeclaredGraph, secret: string): readonly string[] {
  const holders = graph.resources.filter(({ inputs }) =>
    JSON.stringify(inputs).includes(secretOf(graph, secret)),
  );
  for (const { type, name, inputs, secretInputs } of holders) {
    for (const path of pathsOf(secretOf(graph, secret), inputs)) {
      const isMarked = secretInputs.some((marked) => path.startsWith(marked));
      assert.ok(isMarked, `${type} ${name}: ${path} has ${secret}, and is not marked as secret`);
    }
  }
  return holders.map(({ type }) => type).sort();
}

/** Paths of the texts in a value that have a part, in the form of `secretInputs`. */
function pathsOf(part: string, value: unknown, path = ""): readonly string[] {
  if (typeof value === "string") return value.includes(part) ? [path] : [];
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => {
    const step = Array.isArray(value) ? `[${key}]` : `${path === "" ? "" : "."}${key}`;
    return pathsOf(part, inner, path + step);
  });
}

function byPort(a: Inputs, b: Inputs): number {
  return Number(a["fromPort"]) - Number(b["fromPort"]);
}
