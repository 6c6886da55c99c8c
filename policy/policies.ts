/** The policies for Pulumi, which a policy pack of its own can have beside others. */
import type {
  Policies,
  PolicyResource,
  ResourceValidationPolicy,
  StackValidationPolicy,
} from "@pulumi/policy";
import { suppressions } from "../infra/components/suppressions.ts";
import { applyRule, evaluateRules, findSuppression, formatFinding } from "./evaluation.ts";
import type { RuleResult } from "./evaluation.ts";
import type { Resource, ResourceRule, Stack, StackRule } from "./rule.ts";
import { rules } from "./rules.ts";
import { UNKNOWN } from "./values.ts";
import type { Values } from "./values.ts";

/** The rules of docs/policy.md, and a policy that every suppression of a finding is in use. */
export const policies: Policies = [
  ...rules.map((rule) => (rule.scope === "resource" ? toResourcePolicy(rule) : toStackPolicy(rule))),
  {
    name: "SUPPRESSIONS",
    description: "Every suppression matches a finding.",
    enforcementLevel: "mandatory",
    validateStack: ({ resources }, report) => {
      const { unused } = evaluateRules(toStack(resources), rules, suppressions);
      for (const { message } of unused) report(message);
    },
  },
];

function toResourcePolicy(rule: ResourceRule): ResourceValidationPolicy {
  return {
    ...describe(rule),
    validateResource: ({ type, name, urn, props }, report) => {
      if (!rule.types.includes(type)) return;
      const resource = { type, name, urn, properties: toValues(props), sources: () => [] };
      reportFindings(applyRule(rule, resource), report);
    },
  };
}

function toStackPolicy(rule: StackRule): StackValidationPolicy {
  return {
    ...describe(rule),
    validateStack: ({ resources }, report) => {
      const stack = toStack(resources);
      for (const resource of stack) reportFindings(applyRule(rule, resource, stack), report);
    },
  };
}

function describe({ id, what, level }: ResourceRule | StackRule): {
  readonly name: string;
  readonly description: string;
  readonly enforcementLevel: "mandatory" | "advisory";
} {
  return { name: id, description: what, enforcementLevel: level };
}

function reportFindings({ findings }: RuleResult, report: (message: string, urn: string) => void): void {
  for (const finding of findings) {
    if (findSuppression(finding, suppressions) === undefined)
      report(formatFinding(finding), finding.resource.urn);
  }
}

function toStack(resources: readonly PolicyResource[]): Stack {
  return resources.map(({ type, name, urn, props, propertyDependencies }): Resource => {
    const sources = (property: string): string[] =>
      propertyDependencies[property]?.map((source) => source.urn) ?? [];
    return { type, name, urn, properties: toValues(props), sources };
  });
}

/** Returns a copy with {@link UNKNOWN} for the properties whose getters throw: @pulumi/policy throws for unknown values. */
function copyKnown(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  const read = (key: string): unknown => {
    let inner: unknown;
    try {
      inner = Reflect.get(value, key);
    } catch {
      return UNKNOWN;
    }
    return copyKnown(inner);
  };
  return Array.isArray(value)
    ? Array.from({ length: value.length }, (_, index) => read(String(index)))
    : Object.fromEntries(Object.keys(value).map((key) => [key, read(key)]));
}

function toValues(properties: unknown): Values {
  return copyKnown(properties) as Values; // The copy of an object is an object.
}
