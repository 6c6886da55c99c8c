/** The rules of a listener that forward requests to the target group. */
import * as aws from "@pulumi/aws";
import type * as pulumi from "@pulumi/pulumi";
import type { Generations } from "../generations.ts";
import { applyTransform } from "../transform.ts";
import type { Transform } from "../transform.ts";

/** The header that a request needs to reach a task. */
export interface RequiredHeader {
  readonly name: string;
  /** Generation of the first value. */
  readonly generation: number;
  /** The accepted values. Secret. */
  readonly values: Generations<pulumi.Input<string>>;
}

export interface RuleArgs {
  /** Prefix of the logical names. */
  readonly name: string;
  readonly listenerArn: pulumi.Input<string>;
  readonly targetGroupArn: pulumi.Input<string>;
  /** @default the provider assigns the highest priority of the listener plus 1 */
  readonly priority?: number;
  readonly transform?: RuleTransform | undefined;
}

/** Changes of the rules before they are declared. */
export interface RuleTransform {
  /** Changes the rule that forwards requests to the tasks. */
  readonly listenerRule?: Transform<aws.lb.ListenerRuleArgs>;
}

/**
 * Declares the rule for requests with the header. CloudFront needs minutes to deploy another header or value. So a new name or
 * generation is a new rule, and Pulumi deletes the old rule after CloudFront has finished.
 */
export function declareHeaderRule(
  args: RuleArgs,
  { name: header, generation, values }: RequiredHeader,
  child: pulumi.CustomResourceOptions,
): pulumi.Resource {
  return declareRule(
    `${args.name}-${header}-${generation}`,
    args,
    { httpHeader: { httpHeaderName: header, values: [...values] } },
    child,
  );
}

/** Declares the rule for requests to a host. */
export function declareHostRule(
  args: RuleArgs,
  host: string,
  child: pulumi.CustomResourceOptions,
): pulumi.Resource {
  return declareRule(`${args.name}-host`, args, { hostHeader: { values: [host] } }, child);
}

function declareRule(
  name: string,
  { listenerArn, targetGroupArn, priority, transform }: RuleArgs,
  condition: aws.types.input.lb.ListenerRuleCondition,
  child: pulumi.CustomResourceOptions,
): pulumi.Resource {
  return new aws.lb.ListenerRule(
    ...applyTransform<aws.lb.ListenerRuleArgs>(
      transform?.listenerRule,
      name,
      {
        listenerArn,
        ...(priority !== undefined && { priority }),
        conditions: [condition],
        actions: [{ type: "forward", targetGroupArn }],
      },
      child,
    ),
  );
}
