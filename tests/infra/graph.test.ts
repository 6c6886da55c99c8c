import assert from "node:assert/strict";
import { fromEnvironment } from "../../app/src/settings.ts";
import { evaluateStack } from "../../infra/evaluate.ts";
import { ofType, theOnly } from "../../infra/graph.ts";
import type { DeclaredGraph } from "../../infra/graph.ts";
import { brokenLinks } from "../../infra/timeouts.ts";
import { at, list, number, text } from "../support/values.ts";

/** Pulumi appends a hyphen and seven hexadecimal digits to the names of load balancers and target groups. */
const AUTONAME_SUFFIX = 8;
/** Most characters of such a name (Elastic Load Balancing API, CreateLoadBalancer and CreateTargetGroup). */
const LONGEST_NAME = 32;

for (const stack of ["dev", "prod"]) {
  describe(`the graph of stack ${stack}`, () => {
    let graph: DeclaredGraph;

    before(async () => {
      graph = await evaluateStack({ stack });
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
          const expected = ours || resource.type === "pulumi:providers:aws" ? root.type : "websocket:infra:";
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
          "loadBalancerDnsName",
          "serviceName",
          "websocketUrl",
        ]);
        const domain = theOnly(graph, "aws:cloudfront/distribution:Distribution").outputs["domainName"];
        assert.equal(graph.outputs["websocketUrl"], `wss://${String(domain)}/wss`);
        assert.equal(
          graph.outputs["loadBalancerDnsName"],
          theOnly(graph, "aws:lb/loadBalancer:LoadBalancer").outputs["dnsName"],
        );
        assert.ok(!JSON.stringify(graph.outputs).includes(secretOf(graph)));
        assert.deepEqual(graph.secretOutputs, []);
      });
    });

    describe("the secret header", () => {
      it("is the same at the origin that sends it and at the rule that asks for it", () => {
        const sent = at(distribution(graph), "origins[0].customHeaders[0]");
        const asked = at(rule(graph), "conditions[0].httpHeader");
        assert.equal(text(asked, "httpHeaderName"), text(sent, "name"));
        assert.deepEqual(list(asked, "values"), [text(sent, "value")]);
        assert.equal(text(sent, "value"), secretOf(graph));
      });

      it("is secret wherever it stands, and stands nowhere else", () => {
        const holders = graph.resources.filter(({ inputs }) =>
          JSON.stringify(inputs).includes(secretOf(graph)),
        );
        assert.deepEqual(holders.map(({ type }) => type).sort(), [
          "aws:cloudfront/distribution:Distribution",
          "aws:lb/listenerRule:ListenerRule",
        ]);
        for (const { name, secretInputs } of holders) assert.ok(secretInputs.length > 0, name);
      });

      it("has no character that a listener rule would read as a wildcard", () => {
        const password = theOnly(graph, "random:index/randomPassword:RandomPassword").inputs;
        assert.equal(password["special"], false);
        assert.ok(number(password, "length") <= 128);
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
        assert.equal(rule(graph)["priority"], 1);
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
        assert.equal(text(inputs, "origins[0].customOriginConfig.originProtocolPolicy"), "http-only");
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

      it("uses CloudFront's managed policies CachingDisabled and AllViewer", () => {
        const { cachePolicyId, originRequestPolicyId } = at(distribution(graph), "defaultCacheBehavior");
        assert.equal(cachePolicyId, "4135ea2d-6df8-44a3-9df3-4b5a84be39ad");
        assert.equal(originRequestPolicyId, "216adef6-5c7f-47e4-b989-5492eafa07d3");
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
      it("let only CloudFront reach the load balancer, and only the load balancer reach the tasks", () => {
        const rules = ofType(graph, "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule");
        const prefixList = rules.find(({ inputs }) => "prefixListId" in inputs);
        assert.deepEqual(rules.map(({ inputs: { description, ...inputs } }) => inputs).toSorted(byPort), [
          {
            securityGroupId: loadBalancerGroup(graph),
            ipProtocol: "tcp",
            fromPort: 80,
            toPort: 80,
            prefixListId: prefixList?.inputs["prefixListId"],
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

      it("logs into the group that the stack keeps", () => {
        const logGroup = theOnly(graph, "aws:cloudwatch/logGroup:LogGroup");
        assert.equal(
          at(container(graph), "logConfiguration.options")["awslogs-group"],
          logGroup.outputs["name"],
        );
        assert.ok(number(logGroup.inputs, "retentionInDays") > 0);
      });
    });

    describe("timeouts", () => {
      it("form a chain: heartbeat, load balancer, drain, stop", () => {
        const { heartbeatSeconds, drainSeconds } = serverSettings(graph);
        assert.deepEqual(
          brokenLinks({
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

      it("are writable where the services were told to write", () => {
        const policy = JSON.parse(
          text(theOnly(graph, "aws:s3/bucketPolicy:BucketPolicy").inputs, "policy"),
        ) as {
          Statement: { Sid: string; Resource: string | string[] }[];
        };
        const bucketArn = String(theOnly(graph, "aws:s3/bucket:Bucket").outputs["arn"]);
        const writable = (sid: string): readonly string[] =>
          policy.Statement.filter(({ Sid }) => Sid === sid)
            .flatMap(({ Resource }) => Resource)
            .map((resource) => resource.replace(/\/AWSLogs\/\d{12}\/\*$/, ""));
        assert.deepEqual(writable("LoadBalancerWrites"), [
          `${bucketArn}/${text(loadBalancer(graph).inputs, "accessLogs.prefix")}`,
        ]);
        assert.deepEqual(writable("AWSLogDeliveryWrite"), [
          text(
            theOnly(graph, "aws:cloudwatch/logDeliveryDestination:LogDeliveryDestination").inputs,
            "deliveryDestinationConfiguration.destinationResourceArn",
          ),
          text(theOnly(graph, "aws:ec2/flowLog:FlowLog").inputs, "logDestination"),
        ]);
      });

      it("of the distribution are delivered from us-east-1, where CloudFront lives", () => {
        for (const kind of ["LogDelivery", "LogDeliverySource", "LogDeliveryDestination"]) {
          const type = `aws:cloudwatch/${kind.charAt(0).toLowerCase()}${kind.slice(1)}:${kind}`;
          assert.equal(theOnly(graph, type).inputs["region"], "us-east-1");
        }
      });
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

    it("warns that tasks do not share their messages yet", () => {
      assert.equal(graph.warnings.length, 1);
      assert.match(String(graph.warnings[0]), /websocket:maxTasks/);
    });
  });
}

describe("the stacks", () => {
  it("scale as the first design did in dev, and with room in prod", async () => {
    const scaling = async (stack: string): Promise<unknown> => {
      const graph = await evaluateStack({ stack });
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

  it("follow their configuration: a changed value reaches the resource that it is about", async () => {
    const graph = await evaluateStack({
      stack: "dev",
      config: {
        "websocket:idleTimeoutSeconds": "300",
        "websocket:deregistrationDelaySeconds": "7",
        "websocket:originHeaderName": "X-Origin-Other",
        "websocket:cpu": "2048",
        "websocket:memoryMiB": "4096",
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
    assert.deepEqual(serverSettings(graph).allowedOrigins, ["https://a.example", "https://b.example"]);
    assert.equal(theOnly(graph, "pulumi:providers:aws").inputs["region"], "eu-west-1");
    assert.equal(at(container(graph), "logConfiguration.options")["awslogs-region"], "eu-west-1");
  });
});

type Inputs = Readonly<Record<string, unknown>>;

const distribution = (graph: DeclaredGraph): Inputs =>
  theOnly(graph, "aws:cloudfront/distribution:Distribution").inputs;
const rule = (graph: DeclaredGraph): Inputs => theOnly(graph, "aws:lb/listenerRule:ListenerRule").inputs;
const loadBalancer = (graph: DeclaredGraph) => theOnly(graph, "aws:lb/loadBalancer:LoadBalancer");
const targetGroup = (graph: DeclaredGraph) => theOnly(graph, "aws:lb/targetGroup:TargetGroup");
const service = (graph: DeclaredGraph): Inputs => theOnly(graph, "awsx:ecs:FargateService").inputs;
const taskDefinition = (graph: DeclaredGraph): Inputs => at(service(graph), "taskDefinitionArgs");
const container = (graph: DeclaredGraph): Inputs => at(taskDefinition(graph), "container");
const loadBalancerGroup = (graph: DeclaredGraph) => list(loadBalancer(graph).inputs, "securityGroups")[0];
const taskGroup = (graph: DeclaredGraph) => list(service(graph), "networkConfiguration.securityGroups")[0];

function serverSettings(graph: DeclaredGraph): ReturnType<typeof fromEnvironment> {
  const variables = list(container(graph), "environment") as { name: string; value: string }[];
  return fromEnvironment(Object.fromEntries(variables.map(({ name, value }) => [name, value])));
}

function secretOf(graph: DeclaredGraph): string {
  return String(theOnly(graph, "random:index/randomPassword:RandomPassword").outputs["result"]);
}

function byPort(a: Inputs, b: Inputs): number {
  return Number(a["fromPort"]) - Number(b["fromPort"]);
}
