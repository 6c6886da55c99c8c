/** The pack as Pulumi runs it: `pulumi preview --policy-pack policy`. */
import { PolicyPack } from "@pulumi/policy";
import type { PolicyResource, ResourceValidationPolicy, StackValidationPolicy } from "@pulumi/policy";
import { suppressions } from "../infra/components/suppressions.ts";
import type { Resource, ResourceRule, Stack, StackRule } from "./rule.ts";
import { rules } from "./rules.ts";
import { UNKNOWN } from "./values.ts";
import type { Values } from "./values.ts";
import { explain, inspect, judge, suppressionOf } from "./verdict.ts";
import type { Inspection } from "./verdict.ts";

const NAME = "websocket";

new PolicyPack(NAME, {
  policies: [
    ...rules.map((rule) => (rule.scope === "resource" ? resourcePolicy(rule) : stackPolicy(rule))),
    {
      name: "SUPPRESSIONS",
      description: "Every suppression lets something stand.",
      enforcementLevel: "mandatory",
      validateStack: ({ resources }, report) => {
        for (const { message } of judge(stackOf(resources), rules, suppressions).idle) report(message);
      },
    },
  ],
});

function resourcePolicy(rule: ResourceRule): ResourceValidationPolicy {
  return {
    ...described(rule),
    validateResource: ({ type, name, urn, props }, report) => {
      if (!rule.types.includes(type)) return;
      const resource = { type, name, urn, properties: recordOf(plain(props)), sources: () => [] };
      reportAll(inspect(rule, resource), report);
    },
  };
}

function stackPolicy(rule: StackRule): StackValidationPolicy {
  return {
    ...described(rule),
    validateStack: ({ resources }, report) => {
      const stack = stackOf(resources);
      for (const resource of stack) reportAll(inspect(rule, resource, stack), report);
    },
  };
}

function described({ id, what, level }: ResourceRule | StackRule): {
  readonly name: string;
  readonly description: string;
  readonly enforcementLevel: "mandatory" | "advisory";
} {
  return { name: id, description: what, enforcementLevel: level };
}

function reportAll({ findings }: Inspection, report: (message: string, urn: string) => void): void {
  for (const finding of findings) {
    if (suppressionOf(finding, suppressions) === undefined) report(explain(finding), finding.resource.urn);
  }
}

function stackOf(resources: readonly PolicyResource[]): Stack {
  return resources.map(({ type, name, urn, props, propertyDependencies }): Resource => {
    const sources = (property: string): string[] =>
      propertyDependencies[property]?.map((source) => source.urn) ?? [];
    return { type, name, urn, properties: recordOf(plain(props)), sources };
  });
}

/** A copy in which {@link UNKNOWN} stands where reading throws: so says @pulumi/policy what a preview cannot know. */
function plain(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  const read = (key: string): unknown => {
    let inner: unknown;
    try {
      inner = Reflect.get(value, key);
    } catch {
      return UNKNOWN;
    }
    return plain(inner);
  };
  return Array.isArray(value)
    ? Array.from({ length: value.length }, (_, index) => read(String(index)))
    : Object.fromEntries(Object.keys(value).map((key) => [key, read(key)]));
}

function recordOf(value: unknown): Values {
  // The copy of an object is an object.
  return value as Values;
}
