import { referringTo } from "../rule.ts";
import type { Rule } from "../rule.ts";
import { listAt, textAt, textsAt, valueAt } from "../values.ts";

const SECURITY_GROUP = "aws:ec2/securityGroup:SecurityGroup";

/** Bits of a prefix. What has fewer is half the world, or a good part of it: nobody has so many addresses of their own. */
const SHORTEST_PREFIX_BITS = 8;
/** What the provider writes where the program says nothing. */
const NO_DESCRIPTION = "Managed by Pulumi";

export const networkRules: readonly Rule[] = [
  {
    id: "ELB2",
    level: "mandatory",
    what: "Load balancers keep access logs.",
    why: "They say who asked for what, and what the answer was.",
    fix: "Set `accessLogs` with a bucket, and `enabled: true`.",
    types: ["aws:lb/loadBalancer:LoadBalancer"],
    scope: "resource",
    *faults({ properties }) {
      if (valueAt(properties, "accessLogs.enabled") !== true) yield "access logs are off";
    },
  },
  {
    id: "VPC3",
    level: "advisory",
    what: "Networks do without network ACLs.",
    why: "They know no connections, have to open every direction by itself, and bind a whole subnet: mistakes are easy.",
    fix: "Say who may talk to whom in security groups.",
    types: [
      "aws:ec2/networkAcl:NetworkAcl",
      "aws:ec2/networkAclRule:NetworkAclRule",
      "aws:ec2/defaultNetworkAcl:DefaultNetworkAcl",
    ],
    scope: "resource",
    *faults() {
      yield "it is a network ACL";
    },
  },
  {
    id: "VPC7",
    level: "mandatory",
    what: "Networks keep flow logs.",
    why: "They show who tried to reach what, also where a security group said no.",
    fix: 'Declare a FlowLog with the network\'s `vpcId` and the `trafficType` "ALL".',
    types: ["aws:ec2/vpc:Vpc"],
    scope: "stack",
    *faults(vpc, stack) {
      const logs = referringTo(vpc, stack, "aws:ec2/flowLog:FlowLog", "vpcId");
      if (logs.length === 0) yield "it has no flow log";
      else if (!logs.some(({ properties }) => valueAt(properties, "trafficType") === "ALL")) {
        yield "no flow log of it has all traffic, accepted and rejected";
      }
    },
  },
  {
    id: "EC23",
    level: "mandatory",
    what: "No security group lets everyone in.",
    why: "An open port is found and tried within minutes.",
    fix: "Admit a prefix list, a security group or a range of addresses.",
    types: [
      SECURITY_GROUP,
      "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
      "aws:ec2/securityGroupRule:SecurityGroupRule",
      "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
    ],
    scope: "resource",
    *faults({ type, properties }) {
      if (valueAt(properties, "type") === "egress") return;
      const rules = type.includes("Rule") ? [properties] : listAt(properties, "ingress");
      for (const rule of rules) {
        for (const range of rangesOf(rule)) {
          if (isEveryone(range)) yield `${range} may reach ${portsOf(rule)}`;
        }
      }
    },
  },
  {
    id: "EC27",
    level: "mandatory",
    what: "Security groups say what they are for.",
    why: "Who cleans up or audits has to know what a group protects, and it cannot be described later: that replaces it.",
    fix: "Give the group a `description`.",
    types: [SECURITY_GROUP],
    scope: "resource",
    *faults({ properties }) {
      const description = valueAt(properties, "description");
      if (description === undefined || description === "" || description === NO_DESCRIPTION) {
        yield "it has no description";
      }
    },
  },
  {
    id: "HEADERS",
    level: "mandatory",
    what: "Load balancers drop header fields whose names are not valid.",
    why: "A server may read such a name as another one: the way of many request smuggling attacks.",
    fix: "Set `dropInvalidHeaderFields`.",
    types: ["aws:lb/loadBalancer:LoadBalancer"],
    scope: "resource",
    *faults({ properties }) {
      const type = textAt(properties, "loadBalancerType") ?? "application";
      if (type === "application" && valueAt(properties, "dropInvalidHeaderFields") !== true) {
        yield "its targets get header fields with invalid names";
      }
    },
  },
];

/** Everything that a rule may call a range of addresses, old and new. */
function rangesOf(rule: unknown): readonly string[] {
  return ["cidrIpv4", "cidrIpv6", "cidrBlocks", "ipv6CidrBlocks"].flatMap((key) => textsAt(rule, key));
}

/** By its prefix, as the same range is written in many ways. */
function isEveryone(range: string): boolean {
  const [, bits] = /\/(\d+)$/.exec(range) ?? [];
  return bits !== undefined && Number(bits) < SHORTEST_PREFIX_BITS;
}

function portsOf(rule: unknown): string {
  const ports = [textAt(rule, "fromPort"), textAt(rule, "toPort")].filter((port) => port !== undefined);
  return ports.length === 0 ? "every port" : `port ${[...new Set(ports)].join(" to ")}`;
}
