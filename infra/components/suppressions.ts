/** What the policy pack finds and is to let stand. Each is written beside the resource that it is about. */
import { suppressions as backplane } from "./backplane.ts";
import { suppressions as distribution } from "./distribution.ts";
import { suppressions as loadBalancer } from "./loadBalancer.ts";
import { suppressions as logs } from "./logs.ts";
import type { Suppression } from "./suppression.ts";
import { suppressions as taskRoles } from "./taskRoles.ts";
import { suppressions as vpcOrigin } from "./vpcOrigin.ts";

export const suppressions: readonly Suppression[] = [
  ...distribution,
  ...vpcOrigin,
  ...loadBalancer,
  ...taskRoles,
  ...logs,
  ...backplane,
];
