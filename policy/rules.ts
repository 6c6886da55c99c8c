/**
 * All rules. An ID with a number is that of a rule in cdk-nag's AwsSolutions pack, without the prefix. No policy pack for
 * Pulumi has these rules for the current AWS provider. An ID without a number is a rule of this project.
 * @see https://github.com/cdklabs/cdk-nag/blob/main/RULES.md
 */
import type { Rule } from "./rule.ts";
import { accessRules } from "./rules/access.ts";
import { cacheRules } from "./rules/cache.ts";
import { certificateRules } from "./rules/certificates.ts";
import { containerRules } from "./rules/containers.ts";
import { edgeRules } from "./rules/edge.ts";
import { limitRules } from "./rules/limits.ts";
import { networkRules } from "./rules/network.ts";
import { scalingRules } from "./rules/scaling.ts";
import { serviceRules } from "./rules/services.ts";
import { storageRules } from "./rules/storage.ts";
import { timeoutRules } from "./rules/timeouts.ts";

export const rules: readonly Rule[] = [
  ...edgeRules,
  ...networkRules,
  ...containerRules,
  ...serviceRules,
  ...scalingRules,
  ...accessRules,
  ...storageRules,
  ...cacheRules,
  ...certificateRules,
  ...timeoutRules,
  ...limitRules,
];
