/** Services of ECS: how they deploy, and whether their tasks reach AWS. */
import type { Rule } from "../rule.ts";
import { textAt, valueAt } from "../values.ts";

export const SERVICE = "aws:ecs/service:Service";

/** Through one of these a task without an address of its own reaches AWS. */
const WAYS_OUT = ["aws:ec2/natGateway:NatGateway", "aws:ec2/vpcEndpoint:VpcEndpoint"];

/** What ECS takes if nothing is said, in per cent of the desired count. */
const DEFAULTS = { minimumHealthyPercent: 100, maximumPercent: 200 } as const;

export const serviceRules: readonly Rule[] = [
  {
    id: "DEPLOYMENTS",
    level: "mandatory",
    what: "A deployment that fails ends and is rolled back, and none stops tasks that can keep running.",
    why: "ECS would start failing tasks forever, or leave nothing to serve the clients.",
    fix: "Set `deploymentCircuitBreaker` with `enable` and `rollback`, and `deploymentMinimumHealthyPercent` to 100.",
    types: [SERVICE],
    scope: "resource",
    *faults({ properties }) {
      if ((textAt(properties, "deploymentController.type") ?? "ECS") !== "ECS") return;
      if (valueAt(properties, "deploymentCircuitBreaker.enable") !== true) {
        yield "its circuit breaker is off";
      } else if (valueAt(properties, "deploymentCircuitBreaker.rollback") !== true) {
        yield "a failed deployment is not rolled back";
      }
      const minimum = valueAt(properties, "deploymentMinimumHealthyPercent");
      const maximum = valueAt(properties, "deploymentMaximumPercent");
      // With a maximum of 100, as tasks that share nothing need it, an old task has to stop first.
      const hasRoom = Number(maximum ?? DEFAULTS.maximumPercent) > 100;
      if (hasRoom && Number(minimum ?? DEFAULTS.minimumHealthyPercent) < 100) {
        yield "a deployment may stop tasks before it starts others";
      }
    },
  },
  {
    id: "ADDRESSES",
    level: "mandatory",
    what: "Tasks reach AWS: by a public address, a NAT gateway or VPC endpoints.",
    why: "A task that cannot pull its image or write its log never starts.",
    fix: "Set `assignPublicIp` in the service's `networkConfiguration`, or declare NAT gateways.",
    types: [SERVICE],
    scope: "stack",
    *faults({ properties }, stack) {
      if (valueAt(properties, "networkConfiguration.assignPublicIp") === true) return;
      if (!stack.some(({ type }) => WAYS_OUT.includes(type))) {
        yield "its tasks have no public address, and no NAT gateway or VPC endpoint to use";
      }
    },
  },
];
