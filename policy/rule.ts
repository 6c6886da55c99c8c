/** What a rule is, and what it is told: plain data, from wherever. */
import { UNKNOWN } from "./values.ts";
import type { Values } from "./values.ts";

/** A resource, as the engine registers it or the declared graph has it. */
export interface Resource {
  /** Type token, such as `aws:lb/loadBalancer:LoadBalancer`. */
  readonly type: string;
  /** Logical name. */
  readonly name: string;
  readonly urn: string;
  /** Inputs, and the outputs as far as there are any. What is not known yet is {@link UNKNOWN}. */
  readonly properties: Values;
  /** URNs of the resources that a property's value is made of, where that is known. */
  readonly sources: (property: string) => readonly string[];
}

export type Stack = readonly Resource[];

interface Described {
  /** The id in cdk-nag's AwsSolutions, without that name, or one of our own. */
  readonly id: string;
  /** A mandatory finding stops a preview; AwsSolutions has warnings for those that are advisory. */
  readonly level: "mandatory" | "advisory";
  /** What it demands. A sentence, as the two below. */
  readonly what: string;
  readonly why: string;
  readonly fix: string;
  /** Types of the resources that it looks at. */
  readonly types: readonly string[];
}

/** Decided by one resource alone, so before that resource is created. */
export interface ResourceRule extends Described {
  readonly scope: "resource";
  /**
   * What is wrong with a resource: for each fault a few words that are the same in every stack.
   * @throws {UnknownValueError} where that depends on what is not known yet.
   */
  readonly faults: (resource: Resource) => Iterable<string>;
}

/** Decided by a resource and what else there is: in the preview, and once more at the end of the update. */
export interface StackRule extends Described {
  readonly scope: "stack";
  /** As that of a {@link ResourceRule}. */
  readonly faults: (resource: Resource, stack: Stack) => Iterable<string>;
}

export type Rule = ResourceRule | StackRule;

/** Outputs by which other resources name a resource. */
const NAMES = ["id", "arn", "bucket", "name"] as const;

/**
 * The resources of a type that name another one by a property: it has that name, or the name is made of it. Where neither
 * name nor source is known yet, it may be.
 */
export function referringTo(target: Resource, stack: Stack, type: string, property: string): Stack {
  const names = NAMES.map((name) => target.properties[name]).filter((name) => typeof name === "string");
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
