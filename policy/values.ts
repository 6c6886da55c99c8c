/** Reading plain data of unknown shape, some of which a preview cannot know. */

/** Stands where a value is known only when the cloud has answered. */
export const UNKNOWN = Symbol("unknown");

export type Values = Readonly<Record<string, unknown>>;

/** Thrown where a rule asks for what is not known yet: it is decided in the update, before the resource is made. */
export class UnknownValueError extends Error {
  override readonly name = "UnknownValueError";
}

/**
 * The value at a path such as `accessLogs.enabled`; `undefined` where there is none.
 * @throws {UnknownValueError} where it, or what it is a part of, is not known.
 */
export function valueAt(data: unknown, path: string): unknown {
  let value = known(data, path);
  for (const step of path.split(".")) value = isRecord(value) ? known(value[step], path) : undefined;
  return value ?? undefined;
}

/** The list at a path. None is empty, and one value a list of one, as in IAM's documents. */
export function listAt(data: unknown, path: string): readonly unknown[] {
  const value = valueAt(data, path);
  if (value === undefined) return [];
  return Array.isArray(value) ? value : [value];
}

/** The text at a path, or how a number or a boolean there is written; `undefined` for anything else. */
export function textAt(data: unknown, path: string): string | undefined {
  const value = valueAt(data, path);
  const written = typeof value === "number" || typeof value === "boolean" ? String(value) : value;
  return typeof written === "string" ? written : undefined;
}

/** The texts in the list at a path. */
export function textsAt(data: unknown, path: string): readonly string[] {
  return listAt(data, path)
    .map((item) => known(item, path))
    .filter((item) => typeof item === "string");
}

/** What the JSON at a path says; AWS refuses what is no JSON. */
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
  if (value === UNKNOWN) throw new UnknownValueError(`${path} is not known yet.`);
  return value;
}
