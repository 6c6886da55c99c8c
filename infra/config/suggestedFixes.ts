/** What a wrong value most probably meant. */
import { decode, splitList } from "../../app/src/settings/definition.ts";
import type { Definition } from "../../app/src/settings/definition.ts";
import { nearest } from "../../app/src/settings/nearest.ts";
import { REQUIRED_FOR_TOKENS } from "../../app/src/settings/settings.ts";
import type { Change } from "./configError.ts";

/** What people write for the two. */
const YES = /^(true|yes|on|1)$/i;
const NO = /^(false|no|off|0)$/i;

/** Items of lists, if only the user knows a legal one. */
const EXAMPLES: Readonly<Record<string, string>> = {
  allowedOrigins: "https://app.example.com",
  apiGatewayQueryStrings: "token",
};

/** Keys for which a wrong value must not be replaced by an example or a default: both could admit strangers. */
const ONLY_THE_USER_KNOWS: readonly string[] = REQUIRED_FOR_TOKENS;

/** What makes a value legal: what was probably meant, or else the default. */
export function legal(definition: Definition, name: string, text: string, key: string): Change {
  if (definition.kind === "list") return { set: key, to: itemsOf(definition, name, text) };
  const meant = meantBy(definition, text);
  if (meant === undefined && ONLY_THE_USER_KNOWS.includes(name)) return { ask: key, secret: false };
  if (meant === undefined && definition.default === "") return { remove: key, default: "" };
  return { set: key, to: String(meant ?? definition.default) };
}

/** The legal items of a text that stands for several, or else an example. */
export function itemsOf(definition: Definition, name: string, text: string): readonly string[] {
  const isLegal = (item: string): boolean => decode(definition, JSON.stringify([item])) !== undefined;
  const items = (splitList(text) ?? []).filter(isLegal);
  return items.length > 0 ? items : [EXAMPLES[name] ?? "VALUE"];
}

function meantBy(definition: Definition, text: string): string | number | undefined {
  switch (definition.kind) {
    case "boolean":
      return YES.test(text) ? "true" : NO.test(text) ? "false" : nearest(text, ["true", "false"]);
    case "choice":
      return choiceNear(text, definition.choices);
    case "text": {
      // Such as a name that was copied with what is around it, or a URL without its scheme.
      const trimmed = text.trim();
      const hostname = URL.parse(trimmed)?.hostname ?? "";
      const withScheme = trimmed.includes("://") ? [] : [`https://${trimmed}`];
      return [trimmed, trimmed.toLowerCase(), hostname, ...withScheme].find(
        (candidate) => candidate !== "" && decode(definition, candidate) !== undefined,
      );
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
