/** The configuration of a stack. This is the only module that reads it with `pulumi.Config`, besides its parts. */
import * as pulumi from "@pulumi/pulumi";
import { allowedValues, collect, decode, quoteValue } from "../../app/src/settings/definition.ts";
import type { Problem } from "../../app/src/settings/problem.ts";
import { findMissingAccess, suggestAccess } from "./access.ts";
import { ConfigError, stackFile } from "./configError.ts";
import { configDefinitions } from "./definitions.ts";
import { readProviderConfig } from "./providerConfig.ts";
import type { ProviderConfig } from "./providerConfig.ts";
import { readText } from "../../app/src/settings/reading.ts";
import { hideSecrets, isEncrypted } from "./secrets.ts";
import { resolveValues, withoutWrongKeys } from "./serviceConfig.ts";
import type { ConfigValues } from "./serviceConfig.ts";
import { describeFaults, suggestFix } from "./suggestedFixes.ts";
import { findUnknownKeys } from "./unknownKeys.ts";

/** The configuration of a stack. */
export interface StackConfig {
  readonly provider: ProviderConfig;
  /** The arguments of the service: a value for each key. */
  readonly service: ConfigValues;
}

/**
 * Reads and checks the configuration of the current stack.
 * @throws {ConfigError} listing every wrong, missing and unknown key, and every contradiction between the other keys. Each
 * problem comes with its fix.
 */
export function readConfig(): StackConfig {
  const project = pulumi.getProject();
  const stack = pulumi.getStack();
  const keyOf = (name: string): string => `${project}:${name}`;
  const problems: Problem[] = [];

  const values = readValues(keyOf, problems);
  const providerProblems: Problem[] = [];
  const { region, ...provider } = readProviderConfig(providerProblems);
  const check = (all: ConfigValues): readonly Problem[] => {
    const resolved = resolveValues(all, `${project}-${stack}`, { keyOf, region });
    return "problems" in resolved ? resolved.problems : [];
  };
  problems.push(...findUnknownKeys(project, (name, value) => check({ ...values, [name]: value })));
  problems.push(...providerProblems);
  problems.push(...withoutWrongKeys(check(values), problems, keyOf));
  if (region === undefined || problems.length > 0) {
    throw new ConfigError(hideSecrets(problems), stackFile(stack));
  }
  return { provider: { region, ...provider }, service: values };
}

/** Reads the project's own keys. A key with a problem has its default. */
function readValues(keyOf: (name: string) => string, problems: Problem[]): ConfigValues {
  const config = new pulumi.Config();
  const isSet = (name: string): boolean => (config.get(name) ?? "") !== "";
  const values = collect(configDefinitions, (definition, name) => {
    const text = config.get(name);
    if (text === undefined || (name === "access" && text === "")) return definition.default;
    if (definition.kind === "records") {
      const read = readText(definition, text);
      if ("value" in read) return read.value;
      problems.push(...describeFaults(read.faults, keyOf(name), isEncrypted(keyOf(name))));
      return definition.default;
    }
    // Pulumi returns a list as JSON, and rejects a stack file with anything else.
    const value = definition.kind === "list" && !text.startsWith("[") ? undefined : decode(definition, text);
    if (value !== undefined) return value;
    const key = keyOf(name);
    problems.push({
      key,
      got: quoteValue(text),
      expected: allowedValues(definition),
      ...(name === "access"
        ? suggestAccess(isSet, keyOf)
        : { fix: [isEncrypted(key) ? { ask: key, as: "secret" } : suggestFix(definition, name, text, key)] }),
    });
    return definition.default;
  });
  problems.push(...findMissingAccess(values.edge, isSet, keyOf));
  return values;
}
