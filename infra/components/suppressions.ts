/** The accepted findings of the policy pack. Each list is beside its resource. */
import { suppressions as backplane } from "./backplane/backplane.ts";
import { suppressions as distribution } from "./cloudFront/distribution.ts";
import { suppressions as vpcOrigin } from "./cloudFront/vpcOrigin.ts";
import { suppressions as logBucket } from "./logBucket.ts";
import { suppressions as loadBalancer } from "./network/loadBalancer.ts";
import type { Suppression } from "./suppression.ts";
import { suppressions as taskRoles } from "./tasks/taskRoles.ts";

export const suppressions: readonly Suppression[] = [
  ...distribution,
  ...vpcOrigin,
  ...loadBalancer,
  ...taskRoles,
  ...logBucket,
  ...backplane,
];
