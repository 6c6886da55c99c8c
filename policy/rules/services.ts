/** Rules for ECS services: deployments and network access. */
import type { Rule } from "../rule.ts";
import { textAt, valueAt } from "../values.ts";

export const SERVICE = "aws:ecs/service:Service";

const VPC = "aws:ec2/vpc:Vpc";

/** Resources with which a task without a public address can connect to AWS services. */
const EGRESS_TYPES = ["aws:ec2/natGateway:NatGateway", "aws:ec2/vpcEndpoint:VpcEndpoint"];

/** Defaults of ECS in percent of the desired count. */
const DEFAULTS = { minimumHealthyPercent: 100, maximumPercent: 200 } as const;

export const serviceRules: readonly Rule[] = [
  {
    id: "DEPLOYMENTS",
    level: "mandatory",
    what: "A failed deployment is rolled back, and no deployment stops healthy tasks before new tasks run.",
    why: "Otherwise ECS starts failing tasks forever, or stops all tasks.",
    fix: "Set `deploymentCircuitBreaker` with `enable` and `rollback`, and `deploymentMinimumHealthyPercent` to 100.",
    types: [SERVICE],
    scope: "resource",
    *check({ properties }) {
      if ((textAt(properties, "deploymentController.type") ?? "ECS") !== "ECS") return;
      if (valueAt(properties, "deploymentCircuitBreaker.enable") !== true) {
        yield "its circuit breaker is off";
      } else if (valueAt(properties, "deploymentCircuitBreaker.rollback") !== true) {
        yield "a failed deployment is not rolled back";
      }
      const minimum = valueAt(properties, "deploymentMinimumHealthyPercent");
      const maximum = valueAt(properties, "deploymentMaximumPercent");
      // With a maximum of 100, which tasks without a backplane need, an old task must stop first.
      const hasRoom = Number(maximum ?? DEFAULTS.maximumPercent) > 100;
      if (hasRoom && Number(minimum ?? DEFAULTS.minimumHealthyPercent) < 100) {
        yield "a deployment can stop tasks before new tasks run";
      }
    },
  },
  {
    id: "ADDRESSES",
    level: "mandatory",
    what: "Tasks can connect to AWS services through a public address, a NAT gateway or VPC endpoints.",
    why: "Otherwise a task cannot pull its image or write its log, and does not start.",
    fix: "Set `assignPublicIp` in the service's `networkConfiguration`, or declare NAT gateways.",
    types: [SERVICE],
    scope: "stack",
    *check({ properties }, stack) {
      if (valueAt(properties, "networkConfiguration.assignPublicIp") === true) return;
      // The routes of an existing VPC are not in the stack.
      if (!stack.some(({ type }) => type === VPC)) return;
      if (!stack.some(({ type }) => EGRESS_TYPES.includes(type))) {
        yield "its tasks have no public address, NAT gateway or VPC endpoint";
      }
    },
  },
];
