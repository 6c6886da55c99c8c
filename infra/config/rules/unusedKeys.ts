/** Keys with a value that has no effect beside the values of other keys. */
import { encode } from "../../../app/src/settings/definition.ts";
import type { Change, Problem } from "../../../app/src/settings/problem.ts";
import { configDefinitions } from "../definitions.ts";

type Key = keyof typeof configDefinitions;

/**
 * Returns the problem of a key that has no effect, with its removal as the fix.
 * @param reason a clause that begins with `because`.
 */
export function unusedKey<Name extends Key>(
  name: Name,
  value: unknown,
  reason: string,
  keyOf: (name: Name) => string,
): Problem {
  return {
    key: keyOf(name),
    got: quote(value),
    expected: `no value, ${reason}`,
    fix: [removal(name, keyOf)],
  };
}

/** Returns the change that removes the value of a key, and the default that then applies. */
export function removal<Name extends Key>(name: Name, keyOf: (name: Name) => string): Change {
  const value: Plain = configDefinitions[name].default;
  return { remove: keyOf(name), default: typeof value === "object" ? JSON.stringify(value) : String(value) };
}

/** Whether a key has its default. The value of an output is not known, and counts as another one. */
export function isDefault(name: Key, value: unknown): boolean {
  return isPlain(value) && encode(value) === encode(configDefinitions[name].default);
}

/** Returns a value as a message contains it. */
export function quote(value: unknown): string {
  return isPlain(value) ? JSON.stringify(encode(value)) : "an output";
}

type Plain = Parameters<typeof encode>[0];

function isPlain(value: unknown): value is Plain {
  return Array.isArray(value)
    ? value.every((item) => typeof item === "string")
    : ["string", "number", "boolean"].includes(typeof value);
}
