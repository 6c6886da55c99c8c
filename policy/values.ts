/** Readers for plain data of unknown shape, in which values can be unknown during a preview. */

/** Replaces a value that is known only after AWS has created a resource. */
export const UNKNOWN = Symbol("unknown");

export type Values = Readonly<Record<string, unknown>>;

/** Thrown if a rule reads an unknown value. Pulumi applies the rule again in the update, before it creates the resource. */
export class UnknownValueError extends Error {
  override readonly name = "UnknownValueError";
}

/**
 * Returns the value at a path such as `accessLogs.enabled`, or `undefined`.
 * @throws {UnknownValueError} if the value or a part of the path is unknown.
 */
export function valueAt(data: unknown, path: string): unknown {
  let value = known(data, path);
  for (const step of path.split(".")) value = isRecord(value) ? known(value[step], path) : undefined;
  return value ?? undefined;
}

/** Returns the list at a path. A missing list is empty and a single value is a list, as in IAM policy documents. */
export function listAt(data: unknown, path: string): readonly unknown[] {
  const value = valueAt(data, path);
  if (value === undefined) return [];
  return Array.isArray(value) ? value : [value];
}

/** Returns the string, number or boolean at a path as a string, or `undefined`. */
export function textAt(data: unknown, path: string): string | undefined {
  const value = valueAt(data, path);
  const text = typeof value === "number" || typeof value === "boolean" ? String(value) : value;
  return typeof text === "string" ? text : undefined;
}

/** Returns the strings in the list at a path. */
export function textsAt(data: unknown, path: string): readonly string[] {
  return listAt(data, path)
    .map((item) => known(item, path))
    .filter((item) => typeof item === "string");
}

/** Returns the parsed JSON at a path, or `undefined` for invalid JSON, which AWS refuses. */
export function jsonAt(data: unknown, path: string): unknown {
  const value = valueAt(data, path);
  if (typeof value !== "string") return value;
  try {
    return JSON.parse(value) as unknown;
  } catch {
    return undefined;
  }
}

export function isRecord(value: unknown): value is Values {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function known(value: unknown, path: string): unknown {
  if (value === UNKNOWN) throw new UnknownValueError(`${path} is unknown.`);
  return value;
}
