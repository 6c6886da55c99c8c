import type { Problem } from "../../../app/src/settings/problem.ts";
import { checkFields, isObject, problemOf } from "../ownServer/fields.ts";
import type { Field } from "../ownServer/fields.ts";

/** The change of one resource. */
const CHANGE: Field = {
  isLegal: (value) => isObject(value) || typeof value === "function",
  expected: "an object of arguments, or a function",
};

/** Returns a problem for each part of `transform` that is unknown, because it would have no effect, or that is no change. */
export function checkTransform(transform: unknown, parts: readonly string[]): readonly Problem[] {
  if (transform === undefined) return [];
  if (!isObject(transform))
    return [problemOf("transform", transform, "an object with a change for each part")];
  return checkFields("transform", transform, Object.fromEntries(parts.map((part) => [part, CHANGE])));
}
