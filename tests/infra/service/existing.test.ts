/** Services in a program that declares or has the infrastructure around them. */
import assert from "node:assert/strict";
import * as aws from "@pulumi/aws";
import * as awsx from "@pulumi/awsx";
import * as pulumi from "@pulumi/pulumi";
import { WebSocketService } from "../../../infra/index.ts";
import type { Transforms } from "../../../infra/index.ts";
import { at, list, text } from "../../support/values.ts";
import { declare } from "./support.ts";
import type { Registered } from "./support.ts";

const SUBNETS = [1, 2].map((digit) => `subnet-0123456789abcdef${digit}`);
const LISTENER_ARN =
  "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/app/shared/0123456789abcdef/fedcba9876543210";

describe("WebSocketService beside other resources", () => {
  it("accepts the outputs of awsx.ec2.Vpc, also if it has no private subnets", async () => {
    const resources = await declare(() => {
      const { vpcId, publicSubnetIds, privateSubnetIds } = new awsx.ec2.Vpc("shop", {
        availabilityZoneNames: ["eu-west-1a", "eu-west-1b"],
        subnetSpecs: [{ type: "Public" }],
      });
      new WebSocketService("chat", { access: "open", vpcId, publicSubnetIds, privateSubnetIds });
    });

    assert.equal(ofType(resources, "awsx:ec2:Vpc").length, 1);
    const network = at(only(resources, "awsx:ecs:FargateService"), "networkConfiguration");
    assert.equal(network["assignPublicIp"], true);
    assert.deepEqual(network["subnets"], only(resources, "aws:lb/loadBalancer:LoadBalancer")["subnets"]);
    assert.equal(list(network, "subnets").length, 2);
  });

  it("accepts private subnets that are outputs", async () => {
    const resources = await declare(() => {
      new WebSocketService("chat", {
        access: "open",
        originAccess: "private",
        vpcId: pulumi.output("vpc-0123456789abcdef0"),
        privateSubnetIds: SUBNETS.map((id) => pulumi.output(id)),
      });
    });

    const network = at(only(resources, "awsx:ecs:FargateService"), "networkConfiguration");
    assert.equal(network["assignPublicIp"], false);
    assert.deepEqual(network["subnets"], SUBNETS);
    assert.deepEqual(only(resources, "aws:lb/loadBalancer:LoadBalancer")["subnets"], SUBNETS);
  });

  it("connects CloudFront to the port of a listener of the same program", async () => {
    const resources = await declare(() => {
      const loadBalancer = new aws.lb.LoadBalancer("shop", {
        internal: false,
        idleTimeout: 60,
        securityGroups: ["sg-0123456789abcdef0"],
      });
      const listener = new aws.lb.Listener("shop", {
        loadBalancerArn: loadBalancer.arn,
        port: 8080,
        protocol: "HTTP",
        defaultActions: [{ type: "fixed-response", fixedResponse: { contentType: "text/plain" } }],
      });
      new WebSocketService("chat", {
        access: "open",
        vpcId: "vpc-0123456789abcdef0",
        privateSubnetIds: SUBNETS,
        listenerArn: listener.arn,
      });
    });

    assert.equal(ofType(resources, "aws:lb/loadBalancer:LoadBalancer").length, 1);
    const origin = at(only(resources, "aws:cloudfront/distribution:Distribution"), "origins[0]");
    assert.equal(at(origin, "customOriginConfig")["httpPort"], 8080);
    assert.match(text(origin, "domainName"), /^shop-/);
    const egress = ofType(resources, "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule").find(
      ({ name }) => name === "chat-shared-to-tasks",
    );
    assert.equal(egress?.inputs["securityGroupId"], "sg-0123456789abcdef0");
  });

  it("shares a listener and a cluster with another service", async () => {
    const resources = await declare(() => {
      for (const [index, name] of ["chat", "news"].entries()) {
        new WebSocketService(name, {
          access: "open",
          vpcId: "vpc-0123456789abcdef0",
          privateSubnetIds: SUBNETS,
          listenerArn: LISTENER_ARN,
          listenerRulePriority: 100 + 10 * index,
          clusterArn: "arn:aws:ecs:eu-west-1:123456789012:cluster/shared",
        });
      }
    });

    const priorities = ofType(resources, "aws:lb/listenerRule:ListenerRule").map(
      ({ inputs }) => inputs["priority"],
    );
    assert.equal(new Set(priorities).size, 2);
    const families = ofType(resources, "awsx:ecs:FargateService").map(({ inputs }) =>
      text(inputs, "taskDefinitionArgs.family"),
    );
    assert.deepEqual(families, ["shop-test-chat", "shop-test-news"]);
  });
});

describe("the transforms of the network", () => {
  const tags = { changed: "yes" };
  const transform: Transforms = {
    vpc: { tags },
    taskSecurityGroup: { tags },
    loadBalancerSecurityGroup: (args) => {
      args.tags = tags;
    },
    loadBalancer: { tags },
    targetGroup: { tags },
    listener: { tags },
    listenerRule: { tags },
  };
  const changedIn = (resources: readonly Registered[]): readonly string[] =>
    resources
      .filter(({ inputs }) => inputs["tags"] !== undefined)
      .map(({ type, name }) => `${kindOf(type)} ${name}`);

  it("change the resources of a service", async () => {
    const resources = await declare(() => {
      new WebSocketService("chat", { access: "open", transform });
    });

    assert.deepEqual(changedIn(resources).toSorted(), [
      "Listener chat-http",
      "ListenerRule chat-X-Origin-Secret-1",
      "LoadBalancer chat",
      "SecurityGroup chat",
      "SecurityGroup chat-network-tasks",
      "TargetGroup chat",
      "Vpc chat-network",
    ]);
  });

  it("change the resources of a service with an existing VPC and listener", async () => {
    const resources = await declare(() => {
      new WebSocketService("chat", {
        access: "open",
        vpcId: "vpc-0123456789abcdef0",
        privateSubnetIds: SUBNETS,
        listenerArn: LISTENER_ARN,
        transform,
      });
    });

    assert.deepEqual(changedIn(resources).toSorted(), [
      "ListenerRule chat-shared-X-Origin-Secret-1",
      "SecurityGroup chat-network-tasks",
      "TargetGroup chat-shared",
    ]);
  });
});

function ofType(resources: readonly Registered[], wanted: string): readonly Registered[] {
  return resources.filter(({ type }) => type === wanted);
}

function only(resources: readonly Registered[], wanted: string): Registered["inputs"] {
  const [found, ...others] = ofType(resources, wanted);
  assert.ok(found, wanted);
  assert.deepEqual(others, []);
  return found.inputs;
}

function kindOf(type: string): string {
  return type.slice(type.lastIndexOf(":") + 1);
}
