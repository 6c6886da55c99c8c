/**
 * Every rule. The ids with a number are those of cdk-nag's AwsSolutions pack, without that name, for the types of
 * resource that this project declares or might; no pack for Pulumi has them for the current provider. The others are the
 * project's own.
 *
 * Source: https://github.com/cdklabs/cdk-nag/blob/main/RULES.md
 */
import type { Rule } from "./rule.ts";
import { accessRules } from "./rules/access.ts";
import { cacheRules } from "./rules/cache.ts";
import { certificateRules } from "./rules/certificates.ts";
import { containerRules } from "./rules/containers.ts";
import { edgeRules } from "./rules/edge.ts";
import { limitRules } from "./rules/limits.ts";
import { networkRules } from "./rules/network.ts";
import { serviceRules } from "./rules/services.ts";
import { storageRules } from "./rules/storage.ts";
import { timeoutRules } from "./rules/timeouts.ts";

export const rules: readonly Rule[] = [
  ...edgeRules,
  ...networkRules,
  ...containerRules,
  ...serviceRules,
  ...accessRules,
  ...storageRules,
  ...cacheRules,
  ...certificateRules,
  ...timeoutRules,
  ...limitRules,
];
