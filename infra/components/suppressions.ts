/** The accepted findings of the policy pack. Each list is beside its resource. */
import { suppressions as backplane } from "./backplane/backplane.ts";
import { suppressions as distribution } from "./cloudFront/distribution.ts";
import { suppressions as vpcOrigin } from "./cloudFront/vpcOrigin.ts";
import { suppressions as logBucket } from "./logBucket.ts";
import { suppressions as loadBalancer } from "./network/loadBalancer.ts";
import { suppressions as taskRoles } from "./tasks/taskRoles.ts";

/** An accepted finding of the policy pack. The pack reports a suppression that matches no finding as an error. */
export interface Suppression {
  /** Rule ID, such as `CFR4`. */
  readonly rule: string;
  /** Types of the component and its resource, as in a URN: `websocket:infra:Edge$aws:cloudfront/…:Distribution`. */
  readonly resource: string;
  /** Configurations that have this finding, as a clause. @default all configurations */
  readonly when?: string;
  /** Accepted findings, as the pack reports them. @default all findings of the rule */
  readonly findings?: readonly string[];
  /** Why the finding is accepted, for an audit. */
  readonly reason: string;
}

export const suppressions: readonly Suppression[] = [
  ...distribution,
  ...vpcOrigin,
  ...loadBalancer,
  ...taskRoles,
  ...logBucket,
  ...backplane,
];
