/** The properties that a step of the engine changes, with their values. */
import { isDeepStrictEqual } from "node:util";
import type { StepEventMetadata } from "@pulumi/pulumi/automation/index.js";

/** A property with a longer value is listed without its values. */
const MAX_VALUE_CHARACTERS = 40;

/** One text per changed property: `path: old → new`, or only the path if a value is long or an object. */
export function changedProperties(step: StepEventMetadata): readonly string[] {
  const { old, new: next, diffs, detailedDiff } = step;
  // The engine sends null, contrary to the types.
  if (!old || !next) return [];
  const [paths = []] = [
    Object.keys(detailedDiff ?? {}),
    diffs ?? [],
    changedKeys(old.inputs, next.inputs),
  ].filter(({ length }) => length > 0);
  return paths.map((path) => {
    const before = formatValue(valueAt(old.inputs, path));
    const after = formatValue(valueAt(next.inputs, path));
    return before === undefined || after === undefined || before === after
      ? path
      : `${path}: ${before} → ${after}`;
  });
}

/** For providers that report a change without its paths. */
function changedKeys(
  before: Readonly<Record<string, unknown>>,
  after: Readonly<Record<string, unknown>>,
): readonly string[] {
  const keys = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...keys].filter((key) => !isDeepStrictEqual(before[key], after[key]));
}

/** @param path for example `ingress[0].fromPort` or `tags["a.b"]`. */
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

/** The engine's placeholder for a value that is unknown in a preview (sdk/go/common/resource/plugin, UnknownStringValue). */
const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

/** @returns `undefined` for a long value, and for an object. A secret is an object that contains `[secret]`. */
function formatValue(value: unknown): string | undefined {
  if (value === undefined) return "none";
  if (value === UNKNOWN) return "known after the update";
  if (typeof value === "object") return undefined;
  const text = JSON.stringify(value);
  return text.length <= MAX_VALUE_CHARACTERS ? text : undefined;
}
