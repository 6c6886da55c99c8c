/** What an update changes, in words. */
import { isDeepStrictEqual } from "node:util";
import type { StepEventMetadata } from "@pulumi/pulumi/automation/index.js";

/** Longer values are told by their path alone. */
const MAX_VALUE_LENGTH = 40;

/** One text per changed property: `path: old → new`, or the path alone where the values are not short. */
export function diffsOf({ old, new: next, diffs, detailedDiff }: StepEventMetadata): readonly string[] {
  // Absent in the types, and null in fact.
  if (!old || !next) return [];
  const [paths = []] = [
    Object.keys(detailedDiff ?? {}),
    diffs ?? [],
    changedKeys(old.inputs, next.inputs),
  ].filter(({ length }) => length > 0);
  return paths.map((path) => {
    const before = short(valueAt(old.inputs, path));
    const after = short(valueAt(next.inputs, path));
    return before === undefined || after === undefined || before === after
      ? path
      : `${path}: ${before} → ${after}`;
  });
}

/** For providers that say only that something has changed. */
function changedKeys(
  before: Readonly<Record<string, unknown>>,
  after: Readonly<Record<string, unknown>>,
): readonly string[] {
  const keys = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...keys].filter((key) => !isDeepStrictEqual(before[key], after[key]));
}

/** @param path such as `ingress[0].fromPort` or `tags["a.b"]`. */
function valueAt(value: unknown, path: string): unknown {
  const keys = [...path.matchAll(/\["(.*?)"\]|\[(\d+)\]|([^.[\]]+)/g)].map(
    ([, quoted, index, plain]) => quoted ?? index ?? plain ?? "",
  );
  return keys.reduce<unknown>(
    (inner, key) =>
      typeof inner === "object" && inner !== null
        ? (inner as Readonly<Record<string, unknown>>)[key]
        : undefined,
    value,
  );
}

/** What a preview has in the place of a value that only AWS can give (sdk/go/common/resource/plugin, UnknownStringValue). */
const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

/** A secret is an object, in which the engine has put `[secret]` in its place. */
function short(value: unknown): string | undefined {
  if (value === undefined) return "none";
  if (value === UNKNOWN) return "known later";
  if (typeof value === "object") return undefined;
  const text = JSON.stringify(value);
  return text.length <= MAX_VALUE_LENGTH ? text : undefined;
}
