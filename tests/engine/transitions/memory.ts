import assert from "node:assert/strict";
import { failingUpdate } from "../support/transition.ts";
import type { Transition } from "../support/transition.ts";
import { SERVICE } from "../support/types.ts";
import { NEW_TASKS, POLICIES } from "./shared.ts";

/** Transitions of a stack that starts with one task and no backplane, and with a failed update. */
export const MEMORY_TRANSITIONS: readonly Transition[] = [
  {
    when: "ECS fails while the stack is created: the update prints the resource and the reason",
    config: { backplane: "memory", maxTasks: "1" },
    before: ({ cloud }) => {
      cloud.setFailure(SERVICE, "InvalidParameterException: the target group has no load balancer");
    },
    run: failingUpdate(/Service.*websocket-service[^]*InvalidParameterException: the target group has no/),
  },
  {
    when: "the failed update is repeated: it creates the service and its dependents",
    calls: [
      "create Service websocket-service",
      [
        "create Distribution websocket-edge",
        "create LogDelivery websocket-edge-access-log",
        "create LogDeliverySource websocket-edge-access-log",
        ...POLICIES.map((policy) => `create ${policy}`),
        "create Target websocket-scaling-tasks",
      ],
    ],
  },
  {
    when: "the backplane is added, for more than one task",
    config: { backplane: "valkey", maxTasks: "5" },
    calls: [
      [
        "create MetricAlarm websocket-backplane-evictions",
        "create Parameter websocket-backplane-password-1",
        "create RandomId websocket-backplane-id",
        "create RandomPassword websocket-backplane-password-1",
        "create SecurityGroup websocket-backplane",
        "create SecurityGroupEgressRule websocket-backplane-tasks-egress",
        "create SecurityGroupIngressRule websocket-backplane-from-tasks",
        "create ServerlessCache websocket-backplane",
        "create User websocket-backplane-tasks",
        "create UserGroup websocket-backplane-users",
        "update RolePolicy websocket-service-execution-policy policy",
      ],
      "create TaskDefinition websocket-service",
      // The deployment starts new tasks before it stops old ones.
      "update Service websocket-service availabilityZoneRebalancing deploymentMaximumPercent deploymentMinimumHealthyPercent taskDefinition",
      "update Target websocket-scaling-tasks maxCapacity",
      "delete TaskDefinition websocket-service",
    ],
  },
  {
    when: "an update is interrupted while ECS works: the current call ends and is recorded, and no other call starts",
    config: { logLevel: "debug" },
    before: ({ cloud }) => {
      cloud.setStuck(SERVICE);
    },
    run: async (project) => {
      const { code } = await project.interruptedRun(
        /Service websocket-service updating/,
        ...["up", "--yes", "--skip-preview"],
      );
      assert.notEqual(code, 0);
    },
    calls: NEW_TASKS.slice(0, 2),
  },
  {
    when: "the interrupted update is repeated: it completes the change",
    calls: NEW_TASKS.slice(2),
  },
];
