/** Checks of arguments that are objects. They also check callers without types. */
import * as pulumi from "@pulumi/pulumi";
import { nearest } from "../../../app/src/settings/nearest.ts";
import { quoteValue } from "../../../app/src/settings/definition.ts";
import type { Problem } from "../../../app/src/settings/problem.ts";

/** The legal values of a field. */
export interface Field {
  readonly isLegal: (value: unknown) => boolean;
  /** Describes the legal values. */
  readonly expected: string;
  /** Whether the value can be an output of a resource, which is not checked. @default false */
  readonly isInput?: boolean;
}

export type Values = Readonly<Record<string, unknown>>;

/** Returns a problem for each field of an object that is unknown, or has an illegal value. */
export function checkFields(
  key: string,
  values: Values,
  fields: Readonly<Record<string, Field>>,
): readonly Problem[] {
  return Object.entries(values).flatMap(([name, value]) => {
    const field = Object.hasOwn(fields, name) ? fields[name] : undefined;
    if (field === undefined) return [unknownField(`${key}.${name}`, name, Object.keys(fields))];
    if (value === undefined || (isLater(value) && field.isInput === true)) return [];
    if (!isLater(value) && field.isLegal(value)) return [];
    return [problemOf(`${key}.${name}`, value, field.expected)];
  });
}

/** Returns a problem for each entry of a record with an illegal name or value. */
export function checkEntries(key: string, values: unknown, names: RegExp, value: Field): readonly Problem[] {
  if (!isObject(values)) return [];
  return Object.entries(values).flatMap(([name, item]) => {
    if (!names.test(name)) {
      return [
        { key, got: `the name ${quoteValue(name)}`, expected: `names that match ${names.source}`, fix: [] },
      ];
    }
    if (isLater(item) ? value.isInput === true : value.isLegal(item)) return [];
    return [problemOf(`${key}.${name}`, item, value.expected)];
  });
}

/** Returns the problem of a value. */
export function problemOf(key: string, value: unknown, expected: string): Problem {
  return { key, got: describeValue(value), expected, fix: [] };
}

export function isObject(value: unknown): value is Values {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !isLater(value);
}

/** Whether the value is known only later. */
export function isLater(value: unknown): boolean {
  return pulumi.Output.isInstance(value) || value instanceof Promise;
}

/** A text of limited length that matches a pattern as a whole. */
export function text(pattern: RegExp, expected: string): Field {
  return { isLegal: (value) => typeof value === "string" && pattern.test(value), expected };
}

/** A whole number in a range. */
export function integer(min: number, max: number, unit: string): Field {
  return {
    isLegal: (value) => Number.isInteger(value) && Number(value) >= min && Number(value) <= max,
    expected: `a whole number from ${min} to ${max} (${unit})`,
  };
}

/** One of some texts. */
export function choice(choices: readonly string[]): Field {
  return {
    isLegal: (value) => typeof value === "string" && choices.includes(value),
    expected: `one of ${choices.join(", ")}`,
  };
}

/** The words of a command. */
export function words(maxWords: number): Field {
  return {
    isLegal: (value) =>
      Array.isArray(value) &&
      value.length > 0 &&
      value.length <= maxWords &&
      value.every((word) => typeof word === "string" && word !== ""),
    expected: `1 to ${maxWords} words, such as ["node", "server.js"]`,
  };
}

/** A record of at most so many entries, which {@link checkEntries} checks. */
export function record(maxEntries: number): Field {
  return {
    isLegal: (value) => isObject(value) && Object.keys(value).length <= maxEntries,
    expected: `an object with at most ${maxEntries} names`,
  };
}

function unknownField(key: string, name: string, known: readonly string[]): Problem {
  const meant = nearest(name, known);
  return {
    key,
    got: "an unknown argument",
    expected: meant === undefined ? `one of ${known.join(", ")}` : `a known one (did you mean ${meant}?)`,
    fix: [{ remove: key }],
  };
}

/** A value as JSON, or its type if it has none. */
export function describeValue(value: unknown): string {
  if (value === undefined) return "nothing";
  if (isLater(value)) return "an output or a promise";
  if (typeof value === "string") return quoteValue(value);
  const json = toJson(value);
  if (json !== undefined) return json;
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}

/** Returns `undefined` for a value without JSON, such as a function or an object that contains itself. */
function toJson(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    return undefined;
  }
}
