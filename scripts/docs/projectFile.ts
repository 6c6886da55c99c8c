/** The configuration keys in Pulumi.yaml, which the CLI reads. */
import { stringify } from "yaml";
import type { Definition } from "../../app/src/settings/definition.ts";
import { configDefinitions } from "../../infra/config/definitions.ts";

/** The mapping `config`, up to the next line without indentation. */
const CONFIG = /^config:\n(?: .*\n)*/m;

/** Replaces the keys in the content of Pulumi.yaml. */
export function replaceConfigKeys(file: string): string {
  const config = Object.fromEntries(
    Object.entries<Definition>(configDefinitions)
      // The CLI has no type for lists of objects, and accepts a key that is not in the file.
      .filter(([, { kind }]) => kind !== "records")
      .map(([name, definition]) => [name, describeKey(name, definition)]),
  );
  const lines = stringify({ config }, { lineWidth: 0, defaultStringType: "PLAIN" });
  return file.replace(CONFIG, () =>
    lines.replace("config:\n", "config:\n  # `npm run docs` writes these keys.\n"),
  );
}

function describeKey(name: string, definition: Definition): unknown {
  return {
    type: typeOf(definition),
    ...(definition.kind === "list" && { items: { type: "string" } }),
    // The program rejects an empty `access` with the commands that set it. The CLI would reject a key without a default.
    default: name === "access" ? "" : definition.default,
    description: definition.description,
  };
}

function typeOf({ kind, default: value }: Definition): string {
  if (kind === "list") return "array";
  if (kind === "boolean") return "boolean";
  return typeof value === "number" ? "integer" : "string";
}
