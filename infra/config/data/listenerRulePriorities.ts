/** Priorities of the rules on an existing listener, whose other rules belong to others. A listener has one rule per priority. */
import { createHash } from "node:crypto";

/** @see https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateRule.html */
const MAX_PRIORITY = 50_000;

/** Priorities from `listenerRulePriority` on that belong to the stack. */
export const PRIORITY_COUNT = 10;

/** The largest first priority of a range. */
export const MAX_FIRST_PRIORITY = MAX_PRIORITY - PRIORITY_COUNT + 1;

/** Priorities of rules for headers. The first priority of the range is that of the rule for a host. */
const HEADER_PRIORITY_COUNT = PRIORITY_COUNT - 1;

/** Returns the priority of the rule for a host. */
export function hostPriority(firstPriority: number): number {
  return firstPriority;
}

/**
 * Returns the priority of the rule for a header with a secret. During a rotation, the rules of several generations exist, and
 * they have different priorities. Different header names of one generation usually have, because of the hash.
 */
export function headerPriority(
  firstPriority: number,
  { name, generation }: { readonly name: string; readonly generation: number },
): number {
  const hash = createHash("sha256").update(name).digest().readUInt32BE();
  return firstPriority + 1 + ((hash + generation) % HEADER_PRIORITY_COUNT);
}
