import { findReferences } from "../rule.ts";
import type { Rule } from "../rule.ts";
import { listAt, textAt, textsAt, valueAt } from "../values.ts";

const SECURITY_GROUP = "aws:ec2/securityGroup:SecurityGroup";

/** Minimum length of a prefix in bits. A shorter prefix covers a large part of the internet. */
const SHORTEST_PREFIX_BITS = 8;
/** The provider's description if the program sets none. */
const NO_DESCRIPTION = "Managed by Pulumi";

export const networkRules: readonly Rule[] = [
  {
    id: "ELB2",
    level: "mandatory",
    what: "Load balancers keep access logs.",
    why: "They show which client requested what, and the response.",
    fix: "Set `accessLogs` with a bucket and `enabled: true`.",
    types: ["aws:lb/loadBalancer:LoadBalancer"],
    scope: "resource",
    *check({ properties }) {
      if (valueAt(properties, "accessLogs.enabled") !== true) yield "access logs are off";
    },
  },
  {
    id: "VPC3",
    level: "advisory",
    what: "Networks have no network ACLs of their own.",
    why: "They are stateless, need rules for both directions and apply to a whole subnet, so mistakes are likely.",
    fix: "Use security groups.",
    types: [
      "aws:ec2/networkAcl:NetworkAcl",
      "aws:ec2/networkAclRule:NetworkAclRule",
      "aws:ec2/defaultNetworkAcl:DefaultNetworkAcl",
    ],
    scope: "resource",
    *check() {
      yield "it is a network ACL";
    },
  },
  {
    id: "VPC7",
    level: "mandatory",
    what: "Networks keep flow logs.",
    why: "They show all connections, including those that a security group rejected.",
    fix: 'Declare a FlowLog with the network\'s `vpcId` and the `trafficType` "ALL".',
    types: ["aws:ec2/vpc:Vpc"],
    scope: "stack",
    *check(vpc, stack) {
      const logs = findReferences(vpc, stack, "aws:ec2/flowLog:FlowLog", "vpcId");
      if (logs.length === 0) yield "it has no flow log";
      else if (!logs.some(({ properties }) => valueAt(properties, "trafficType") === "ALL")) {
        yield "no flow log of it records both accepted and rejected traffic";
      }
    },
  },
  {
    id: "EC23",
    level: "mandatory",
    what: "No security group allows connections from all addresses.",
    why: "Attackers find and try an open port within minutes.",
    fix: "Allow a prefix list, a security group or a small range of addresses.",
    types: [
      SECURITY_GROUP,
      "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
      "aws:ec2/securityGroupRule:SecurityGroupRule",
      "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
    ],
    scope: "resource",
    *check({ type, properties }) {
      if (valueAt(properties, "type") === "egress") return;
      const rules = type.includes("Rule") ? [properties] : listAt(properties, "ingress");
      for (const rule of rules) {
        for (const range of rangesOf(rule)) {
          if (isLarge(range)) yield `${range} can connect to ${describePorts(rule)}`;
        }
      }
    },
  },
  {
    id: "EC27",
    level: "mandatory",
    what: "Security groups have a description.",
    why: "An audit needs the purpose of a group, and a later change of the description replaces the group.",
    fix: "Set `description`.",
    types: [SECURITY_GROUP],
    scope: "resource",
    *check({ properties }) {
      const description = valueAt(properties, "description");
      if (description === undefined || description === "" || description === NO_DESCRIPTION) {
        yield "it has no description";
      }
    },
  },
  {
    id: "HEADERS",
    level: "mandatory",
    what: "Load balancers drop header fields with invalid names.",
    why: "A server can interpret such a name as another one, which request smuggling attacks use.",
    fix: "Set `dropInvalidHeaderFields`.",
    types: ["aws:lb/loadBalancer:LoadBalancer"],
    scope: "resource",
    *check({ properties }) {
      const type = textAt(properties, "loadBalancerType") ?? "application";
      if (type === "application" && valueAt(properties, "dropInvalidHeaderFields") !== true) {
        yield "it forwards header fields with invalid names";
      }
    },
  },
];

/** Returns the address ranges in all properties of old and new rule types. */
function rangesOf(rule: unknown): readonly string[] {
  return ["cidrIpv4", "cidrIpv6", "cidrBlocks", "ipv6CidrBlocks"].flatMap((key) => textsAt(rule, key));
}

/** Whether the range is large. The prefix decides, because the same range has several notations. */
function isLarge(range: string): boolean {
  const [, bits] = /\/(\d+)$/.exec(range) ?? [];
  return bits !== undefined && Number(bits) < SHORTEST_PREFIX_BITS;
}

function describePorts(rule: unknown): string {
  const ports = [textAt(rule, "fromPort"), textAt(rule, "toPort")].filter((port) => port !== undefined);
  return ports.length === 0 ? "every port" : `port ${[...new Set(ports)].join(" to ")}`;
}
