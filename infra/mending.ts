/** What a wrong value most probably meant. */
import { decode } from "../app/src/definition.ts";
import type { Definition } from "../app/src/definition.ts";
import { nearest } from "../app/src/nearest.ts";
import type { Change } from "./configError.ts";

/** What people write for the two. */
const YES = /^(true|yes|on|1)$/i;
const NO = /^(false|no|off|0)$/i;

/** A value of each list. */
const LIST_EXAMPLES: Readonly<Record<string, string>> = {
  allowedOrigins: "https://app.example.com",
  apiGatewayQueryStrings: "token",
};

/** What makes a value legal: what was probably meant, or else the default. */
export function legal(definition: Definition, name: string, text: string, key: string): Change {
  if (definition.kind === "list") return { set: key, to: itemsOf(definition, name, text) };
  const meant = meantBy(definition, text);
  if (meant === undefined && definition.default === "") return { remove: key, default: "" };
  return { set: key, to: String(meant ?? definition.default) };
}

/** The items that a text of several stands for, or else an example. */
export function itemsOf(definition: Definition, name: string, text: string): readonly string[] {
  // What decode gives for a list is one.
  const items = decode(definition, text) as readonly string[] | undefined;
  return items ?? [LIST_EXAMPLES[name] ?? "VALUE"];
}

function meantBy(definition: Definition, text: string): string | number | boolean | undefined {
  switch (definition.kind) {
    case "boolean":
      return YES.test(text) ? true : NO.test(text) ? false : undefined;
    case "choice":
      return choiceNear(text, definition.choices);
    case "text": {
      // Such as a name that was copied with what is around it.
      const candidates = [text.trim(), text.trim().toLowerCase(), URL.parse(text)?.hostname ?? ""];
      return candidates.find((candidate) => candidate !== "" && decode(definition, candidate) !== undefined);
    }
    case "integer":
    case "list":
      return undefined;
  }
}

/** Of words the one that was misspelt; of numbers the smallest that is enough, or else the largest. */
function choiceNear(text: string, choices: readonly (string | number)[]): string | number | undefined {
  const numbers = choices.filter((choice) => typeof choice === "number");
  if (numbers.length === 0) return nearest(text, choices.map(String));
  const wanted = text.trim() === "" ? NaN : Number(text);
  if (Number.isNaN(wanted)) return undefined;
  const enough = numbers.filter((choice) => choice >= wanted);
  return enough.length > 0 ? Math.min(...enough) : Math.max(...numbers);
}
