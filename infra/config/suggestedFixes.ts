/** Legal values that a wrong value probably meant. */
import { decode, splitList } from "../../app/src/settings/definition.ts";
import type { ListDefinition, PlainDefinition } from "../../app/src/settings/definition.ts";
import { nearest } from "../../app/src/settings/nearest.ts";
import { HIDDEN } from "../../app/src/settings/problem.ts";
import type { Change, Problem } from "../../app/src/settings/problem.ts";
import type { Fault } from "../../app/src/settings/reading.ts";
import { REQUIRED_FOR_TOKENS } from "../../app/src/settings/relations.ts";

/** What people write for the two. */
const YES = /^(true|yes|on|1)$/i;
const NO = /^(false|no|off|0)$/i;

/** Keys of which no default replaces a wrong value: it could admit strangers. */
const WITHOUT_SUGGESTED_DEFAULT: readonly string[] = REQUIRED_FOR_TOKENS;

/** A change to a legal value: the one that was probably meant, or else the default. */
export function suggestFix(definition: PlainDefinition, name: string, text: string, key: string): Change {
  if (definition.kind === "list") return setItems(definition, text, key);
  const meant = meantBy(definition, text);
  if (meant === undefined && WITHOUT_SUGGESTED_DEFAULT.includes(name)) return { ask: key };
  if (meant === undefined && definition.default === "") return { remove: key, default: "" };
  return { set: key, to: String(meant ?? definition.default) };
}

/** Sets a list to the legal items of a text; without any, the user has to choose one. */
export function setItems(definition: ListDefinition, text: string, key: string): Change {
  const isLegal = (item: string): boolean => decode(definition, JSON.stringify([item])) !== undefined;
  const items = (splitList(text) ?? []).filter(isLegal);
  return items.length > 0 ? { set: key, to: items } : { ask: key, as: "list" };
}

/**
 * Returns the problems of a list of objects, each at the illegal part.
 * @param isHidden whether the value is secret.
 */
export function describeFaults(faults: readonly Fault[], key: string, isHidden = false): readonly Problem[] {
  return faults.map(({ at, got, expected, remedy }) => ({
    key: `${key}${at}`,
    got: isHidden ? HIDDEN : got,
    expected,
    fix: [isHidden ? { ask: key, as: "secret" } : fixPart(`${key}${at}`, at, remedy)],
  }));
}

function fixPart(part: string, at: string, remedy: Fault["remedy"]): Change {
  if (remedy === undefined) return { ask: part };
  if (remedy === "remove") return { remove: part, ...(at === "" && { default: "" }) };
  return { set: part, to: String(remedy) };
}

function meantBy(
  definition: Exclude<PlainDefinition, ListDefinition>,
  text: string,
): string | number | undefined {
  switch (definition.kind) {
    case "boolean":
      return YES.test(text) ? "true" : NO.test(text) ? "false" : nearest(text, ["true", "false"]);
    case "choice":
      return nearestChoice(text, definition.choices);
    case "text": {
      // A name that was copied with its URL or with spaces, or a URL without its scheme.
      const trimmed = text.trim();
      const hostname = URL.parse(trimmed)?.hostname ?? "";
      const withScheme = trimmed.includes("://") ? [] : [`https://${trimmed}`];
      return [trimmed, trimmed.toLowerCase(), hostname, ...withScheme].find(
        (candidate) => candidate !== "" && decode(definition, candidate) !== undefined,
      );
    }
    case "integer":
      return undefined;
  }
}

/** The word that was misspelt; or the smallest number that is not less, else the largest one. */
function nearestChoice(text: string, choices: readonly (string | number)[]): string | number | undefined {
  const numbers = choices.filter((choice) => typeof choice === "number");
  if (numbers.length === 0) return nearest(text, choices.map(String));
  const wanted = text.trim() === "" ? NaN : Number(text);
  if (Number.isNaN(wanted)) return undefined;
  const enough = numbers.filter((choice) => choice >= wanted);
  return enough.length > 0 ? Math.min(...enough) : Math.max(...numbers);
}
