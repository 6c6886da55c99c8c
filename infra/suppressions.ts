/** What the policy pack finds and is to let stand. Each is written beside the resource that it is about. */
import { suppressions as backplane } from "./backplane.ts";
import { suppressions as edge } from "./edge.ts";
import { suppressions as logs } from "./logs.ts";
import { suppressions as service } from "./service.ts";

/** A finding that stands. One that the pack does not find is an error. */
export interface Suppression {
  /** Id of the rule, such as `CFR4`. */
  readonly rule: string;
  /** Types of the component and of its resource, as in a URN: `websocket:infra:Edge$aws:cloudfront/…:Distribution`. */
  readonly resource: string;
  /** The findings that stand, as the pack words them, where the rule may have others. All by default. */
  readonly findings?: readonly string[];
  /** Why it stands, for whoever audits the stack. */
  readonly reason: string;
}

export const suppressions: readonly Suppression[] = [...edge, ...service, ...logs, ...backplane];
