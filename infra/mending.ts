/** What a wrong value most probably meant. */
import { decode, splitList } from "../app/src/definition.ts";
import type { Definition } from "../app/src/definition.ts";
import { nearest } from "../app/src/nearest.ts";
import { EXAMPLE_JWKS_URL } from "../app/src/settings.ts";
import type { Change } from "./configError.ts";

/** What people write for the two. */
const YES = /^(true|yes|on|1)$/i;
const NO = /^(false|no|off|0)$/i;

/** Stand where only the user knows the value: of lists, and of texts without which everybody would be let in. */
const EXAMPLES: Readonly<Record<string, string>> = {
  allowedOrigins: "https://app.example.com",
  apiGatewayQueryStrings: "token",
  jwksUrl: EXAMPLE_JWKS_URL,
  jwtIssuer: "https://auth.example.com/",
  jwtAudience: "websocket",
};

/** What makes a value legal: what was probably meant, or else an example or the default. */
export function legal(definition: Definition, name: string, text: string, key: string): Change {
  if (definition.kind === "list") return { set: key, to: itemsOf(definition, name, text) };
  const meant = meantBy(definition, text) ?? EXAMPLES[name];
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
      return [trimmed, trimmed.toLowerCase(), hostname, `https://${trimmed}`].find(
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
