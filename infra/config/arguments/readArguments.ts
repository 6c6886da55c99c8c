/** The arguments of a service, which have the names and rules of the configuration keys. */
import * as pulumi from "@pulumi/pulumi";
import { allowedValues, collect, decode } from "../../../app/src/settings/definition.ts";
import type { PlainDefinition } from "../../../app/src/settings/definition.ts";
import { nearest } from "../../../app/src/settings/nearest.ts";
import type { Problem } from "../../../app/src/settings/problem.ts";
import { readRecords } from "../../../app/src/settings/reading.ts";
import { completeServerImage } from "../ownServer/serverImage.ts";
import type { ServerImageArgs } from "../ownServer/serverImage.ts";
import { checkOwnArguments } from "../ownServer/ownArguments.ts";
import { describeValue, isLater } from "../ownServer/fields.ts";
import { findMissingAccess, suggestAccess } from "../access.ts";
import { ConfigError } from "../configError.ts";
import { configDefinitions } from "../definitions.ts";
import type { KeyDefinition } from "../keyDefinition.ts";
import { resolveValues, withoutWrongKeys } from "../serviceConfig.ts";
import type { ConfigValues, ServiceConfig } from "../serviceConfig.ts";
import { describeFaults, suggestFix } from "../suggestedFixes.ts";
import { argumentsOf } from "./argumentSource.ts";
import type { ConfigArguments } from "./configArguments.ts";
import { checkTransform } from "./checkTransform.ts";
import { checkTypes } from "./checkTypes.ts";
import { checkName } from "./serviceName.ts";

/** The names that the definitions of the keys lack. */
export interface KnownNames {
  /** Names of the arguments that are no keys. */
  readonly otherNames: readonly string[];
  /** Names of the resources that `transform` can change. */
  readonly transformParts: readonly string[];
}

/** An argument has no namespace. */
const keyOf = (name: string): string => name;

/**
 * Checks the arguments, also those of callers without types, and adds the defaults.
 * @throws {ConfigError} listing every wrong, missing and unknown argument, and every contradiction between the others.
 */
export function readArguments(
  service: string,
  args: ConfigArguments & { readonly image?: ServerImageArgs },
  { otherNames, transformParts }: KnownNames,
): ServiceConfig {
  checkTypes(service, args);
  const given = new Map<string, unknown>(Object.entries(args).filter(([, value]) => value !== undefined));
  const problems: Problem[] = [
    ...checkName(service),
    ...checkOwnArguments(given),
    ...checkTransform(given.get("transform"), transformParts),
  ];
  const values = readValues(given, problems);
  const metricsName = `${pulumi.getProject()}-${pulumi.getStack()}-${service}`;
  const resolved = resolveValues(values, metricsName, {
    keyOf,
    hasScalingMetric: given.has("scalingMetric"),
    // An image with a problem can lack what its type requires.
    image: given.has("image")
      ? completeServerImage((problems.length === 0 ? args.image : undefined) ?? {})
      : undefined,
  });
  problems.push(...findUnknownNames([...given.keys()], otherNames));
  if ("problems" in resolved) problems.push(...withoutWrongKeys(resolved.problems, problems, keyOf));
  if ("problems" in resolved || problems.length > 0) throw new ConfigError(problems, argumentsOf(service));
  return resolved.config;
}

/**
 * Returns a value for each key. An argument with a problem has its default.
 * @param problems those of the arguments, also without their values. The function adds those of the values.
 */
function readValues(given: ReadonlyMap<string, unknown>, problems: Problem[]): ConfigValues {
  const isSet = (name: string): boolean => given.has(name) && given.get(name) !== "";
  const refused = new Set(problems.map(({ key }) => key));
  const values = collect(configDefinitions, (definition, name) => {
    if (!given.has(name) || refused.has(name) || (name === "access" && !isSet(name)))
      return definition.default;
    const read = readValue(definition, name, given.get(name));
    if ("value" in read) return read.value;
    problems.push(
      ...read.problems.map((one) => (name === "access" ? { ...one, ...suggestAccess(isSet, keyOf) } : one)),
    );
    return definition.default;
  });
  if (!given.has("image")) {
    problems.push(...findMissingAccess(values.edge, isSet, keyOf));
    return values;
  }
  // Another server needs no backplane, and has no setting of ours.
  return {
    ...values,
    backplane: given.has("backplane") ? values.backplane : "memory",
    connectionsPerTask: 0,
  };
}

function readValue(
  definition: KeyDefinition,
  name: string,
  value: unknown,
): { readonly value: unknown } | { readonly problems: readonly Problem[] } {
  if (isLater(value)) {
    if (definition.isInput === true) return { value };
    const expected = `${allowedValues(definition)} as a plain value, because rules or the set of resources depend on it`;
    return { problems: [{ key: name, got: "an output or a promise", expected, fix: [] }] };
  }
  if (definition.kind === "records") {
    const read = readRecords(definition, value);
    return "value" in read ? read : { problems: describeFaults(read.faults, name) };
  }
  if (isLegal(definition, value)) return { value };
  const got = describeValue(value);
  const fix = [suggestFix(definition, name, typeof value === "string" ? value : got, name)];
  return { problems: [{ key: name, got, expected: allowedValues(definition), fix }] };
}

/** Whether a value has the type and the range of its definition. Items of a list that are outputs are not known. */
function isLegal(definition: PlainDefinition & KeyDefinition, value: unknown): boolean {
  if (definition.kind !== "list") {
    return typeof value === typeof definition.default && decode(definition, String(value)) !== undefined;
  }
  if (!Array.isArray(value)) return false;
  const items = definition.isInput === true ? value.filter((item) => !isLater(item)) : value;
  return (
    items.every((item) => typeof item === "string") && decode(definition, JSON.stringify(items)) !== undefined
  );
}

function findUnknownNames(names: readonly string[], otherNames: readonly string[]): readonly Problem[] {
  const known = [...Object.keys(configDefinitions), ...otherNames];
  return names
    .filter((name) => !known.includes(name))
    .map((name) => {
      const meant = nearest(name, known);
      return {
        key: name,
        got: "an unknown argument",
        expected:
          meant === undefined
            ? `one of the configuration keys, or one of ${otherNames.join(", ")}`
            : `a known one (did you mean ${meant}?)`,
        fix: [{ remove: name }],
      };
    });
}
