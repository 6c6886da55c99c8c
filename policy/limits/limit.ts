/** The kinds of limits. */
import type { Values } from "../values.ts";

/** A limit on one value. */
export interface Limit {
  /** The accepted values, as an object of "expected". */
  readonly expected: string;
  readonly isValid: (value: unknown, properties: Values) => boolean;
  /** What to report of a rejected value. @default the value. A length instead of a value protects secrets. */
  readonly describe?: (value: unknown) => string;
  /** Rejected values, for tests. */
  readonly invalid: readonly unknown[];
}

/** Numbers, also as strings: the provider has ports and sizes as both. */
export function range(min: number, max = Infinity): Limit {
  return {
    expected: max === Infinity ? `a whole number from ${min}` : `a whole number from ${min} to ${max}`,
    isValid: (value) => /^-?\d+$/.test(String(value)) && Number(value) >= min && Number(value) <= max,
    invalid: max === Infinity ? [min - 1] : [min - 1, max + 1],
  };
}

export function oneOf(...choices: readonly (string | number)[]): Limit {
  return {
    expected: `one of ${choices.join(", ")}`,
    isValid: (value) => choices.some((choice) => choice === value),
    invalid: [-1, "other"],
  };
}

export function length(min: number, max: number): Limit {
  return {
    expected: `${min} to ${max} characters`,
    isValid: (value) => typeof value === "string" && value.length >= min && value.length <= max,
    describe: (value) => `${String(value).length} characters`,
    invalid: ["x".repeat(max + 1), ...(min > 0 ? ["x".repeat(min - 1)] : [])],
  };
}

export function items(min: number, max: number): Limit {
  return {
    expected: `${min} to ${max} items`,
    isValid: (value) => Array.isArray(value) && value.length >= min && value.length <= max,
    describe: (value) => (Array.isArray(value) ? `${value.length} items` : "no list"),
    invalid: [Array(min - 1).fill("x".repeat(16)), Array(max + 1).fill("x".repeat(16))],
  };
}

export function pattern(regExp: RegExp, expected: string, ...invalid: readonly string[]): Limit {
  return { expected, isValid: (value) => typeof value === "string" && regExp.test(value), invalid };
}

/** A limit that depends on other properties, or that no other kind covers. */
export function custom(expected: string, isValid: Limit["isValid"], ...invalid: readonly unknown[]): Limit {
  return { expected, isValid, invalid };
}
