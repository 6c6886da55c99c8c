import { AWS_LIMITS } from "../limits/awsLimits.ts";
import { findViolations } from "../limits/violations.ts";
import type { Rule } from "../rule.ts";

export const limitRules: readonly Rule[] = [
  {
    id: "LIMITS",
    level: "mandatory",
    what: "Values are within the limits of AWS.",
    why: "AWS would refuse the resource in the middle of an update.",
    fix: "Change the value to an expected one; the linked page of AWS states the limit.",
    types: [...new Set(AWS_LIMITS.map(({ type }) => type))],
    scope: "resource",
    *check({ type, properties }) {
      for (const { property, message } of findViolations(type, properties))
        yield `\`${property}\`: ${message}`;
    },
  },
];
