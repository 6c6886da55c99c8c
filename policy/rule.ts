/** The interface of a rule, and its input: resources as plain data. */
import { UNKNOWN } from "./values.ts";
import type { Values } from "./values.ts";

/** A resource of the Pulumi engine or of the declared graph. */
export interface Resource {
  /** Type token, such as `aws:lb/loadBalancer:LoadBalancer`. */
  readonly type: string;
  /** Logical name. */
  readonly name: string;
  readonly urn: string;
  /** Inputs and known outputs. An unknown value is {@link UNKNOWN}. */
  readonly properties: Values;
  /** Returns the URNs of the resources from which the value of a property comes; empty if that is unknown. */
  readonly sources: (property: string) => readonly string[];
}

export type Stack = readonly Resource[];

interface RuleBase {
  /** ID in cdk-nag's AwsSolutions without the prefix, or a word for a rule of this project. */
  readonly id: string;
  /** A mandatory finding fails a preview. The advisory rules are warnings in AwsSolutions. */
  readonly level: "mandatory" | "advisory";
  /** The requirement. This field and the next two are sentences. */
  readonly what: string;
  readonly why: string;
  readonly fix: string;
  /** Types of the resources that the rule checks. */
  readonly types: readonly string[];
}

/** A rule that needs only one resource. Pulumi applies it before the resource is created. */
export interface ResourceRule extends RuleBase {
  readonly scope: "resource";
  /**
   * Yields the faults of a resource. A fault has the same text in every stack.
   * @throws {UnknownValueError} if the result depends on an unknown value.
   */
  readonly check: (resource: Resource) => Iterable<string>;
}

/** A rule that needs several resources. Pulumi applies it at the end of the preview and of the update. */
export interface StackRule extends RuleBase {
  readonly scope: "stack";
  /** Yields the faults of a resource, as {@link ResourceRule.check} does. */
  readonly check: (resource: Resource, stack: Stack) => Iterable<string>;
}

export type Rule = ResourceRule | StackRule;

/** Outputs with which other resources refer to a resource. */
const REFERENCE_OUTPUTS = ["id", "arn", "bucket", "name", "resourceId"] as const;

/**
 * Returns the resources of a type whose property refers to a target: by its value or by its source. If both are unknown, the
 * reference is assumed.
 */
export function findReferences(target: Resource, stack: Stack, type: string, property: string): Stack {
  const names = REFERENCE_OUTPUTS.map((name) => target.properties[name]).filter(
    (name) => typeof name === "string",
  );
  return stack.filter((resource) => {
    if (resource.type !== type) return false;
    const value = resource.properties[property];
    const sources = resource.sources(property);
    return (
      (typeof value === "string" && names.includes(value)) ||
      sources.includes(target.urn) ||
      (value === UNKNOWN && sources.length === 0)
    );
  });
}
