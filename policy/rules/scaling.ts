/** Rules for autoscaling. The limits of AWS on its values are in `../limits/`. */
import { findReferences } from "../rule.ts";
import type { Rule } from "../rule.ts";

export const scalingRules: readonly Rule[] = [
  {
    id: "SCALING",
    level: "mandatory",
    what: "A scalable target has at least one scaling policy.",
    why: "Otherwise only scheduled actions change the number of tasks, and none if there are no such actions.",
    fix: "Set `connectionsPerTask`, `requestsPerTarget` or `cpuPercent` above 0.",
    types: ["aws:appautoscaling/target:Target"],
    scope: "stack",
    *check(target, stack) {
      const policies = findReferences(target, stack, "aws:appautoscaling/policy:Policy", "resourceId");
      if (policies.length === 0) yield "no policy scales it";
    },
  },
];
