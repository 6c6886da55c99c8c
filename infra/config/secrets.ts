/** Secrets of a stack's configuration, which no message may contain. */
import * as pulumi from "@pulumi/pulumi";
import { hasUserInformation } from "../../app/src/settings/definition.ts";
import { HIDDEN } from "../../app/src/settings/problem.ts";
import type { Change, Problem } from "../../app/src/settings/problem.ts";

/** Whether the value of a key is encrypted in the stack's file. */
export function isEncrypted(key: string): boolean {
  // The SDK has this function, and does not declare it (pulumi/pulumi: sdk/nodejs/runtime/config.ts).
  const { isConfigSecret } = pulumi.runtime as typeof pulumi.runtime & {
    isConfigSecret: (key: string) => boolean;
  };
  return isConfigSecret(key);
}

/** Replaces encrypted values by {@link HIDDEN}: problems are printed in logs and in comments on pull requests. */
export function hideSecrets(problems: readonly Problem[]): readonly Problem[] {
  const secrets = Object.entries(pulumi.runtime.allConfig())
    .filter(([key, value]) => value !== "" && isEncrypted(key))
    .flatMap(([, value]) => [value, JSON.stringify(value).slice(1, -1)])
    .map((value) => new RegExp(`(?<!\\w)${value.replaceAll(/[^\w\s]/g, "\\$&")}(?!\\w)`, "g"));
  const hide = (text: string): string =>
    secrets.reduce((redacted, secret) => redacted.replace(secret, HIDDEN), text);
  const hideIn = (changes: readonly Change[]): readonly Change[] =>
    changes.map((change) => {
      if (!("set" in change)) return change;
      const { set, to } = change;
      if ([to].flat().some(hasUserInformation)) return { ask: set };
      return { set, to: typeof to === "string" ? hide(to) : to.map(hide) };
    });
  return problems.map(({ key, got, expected, fix, alternative }) => ({
    key,
    got: hide(got),
    expected: hide(expected),
    fix: hideIn(fix),
    ...(alternative !== undefined && { alternative: hideIn(alternative) }),
  }));
}
