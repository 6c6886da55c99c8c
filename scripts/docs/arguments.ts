/** The arguments of the component in infra/config/arguments/configArguments.ts: one for each configuration key. */
import type { MemberDefinition } from "../../app/src/settings/definition.ts";
import type { KeyDefinition } from "../../infra/config/keyDefinition.ts";
import { configDefinitions } from "../../infra/config/definitions.ts";

const HEAD = `/** \`npm run docs\` writes this file from the definitions of the configuration keys. */
import type * as pulumi from "@pulumi/pulumi";

/** The arguments that are configuration keys. */
export interface ConfigArguments {
`;

/** Renders the module, before Prettier formats it. */
export function renderArguments(): string {
  const fields = Object.entries(configDefinitions).map(
    ([name, definition]) =>
      `  ${describe(name, definition)}\n  readonly ${name}?: ${typeOf(name, definition)};\n`,
  );
  return [`${HEAD}${fields.join("")}}\n`, ...Object.entries(configDefinitions).map(renderItems)].join("");
}

/** Renders the type of the objects in a list. */
function renderItems([name, definition]: readonly [string, KeyDefinition]): string {
  if (definition.kind !== "records") return "";
  const fields = Object.entries<MemberDefinition>(definition.members).map(([member, its]) => {
    const isOptional = member !== definition.required;
    const comment = `/** ${its.description}${rangeOf(its)}. */`;
    return `  ${comment}\n  readonly ${member}${isOptional ? "?" : ""}: ${typeOf(member, its)};\n`;
  });
  return `\n/** An object in \`${name}\`. */\nexport interface ${itemType(name)} {\n${fields.join("")}}\n`;
}

function itemType(name: string): string {
  return `${name.charAt(0).toUpperCase()}${name.slice(1)}RuleArgs`;
}

function describe(name: string, definition: KeyDefinition): string {
  const otherwise =
    name === "access" ? "none: required, unless edge is api-gateway" : JSON.stringify(definition.default);
  return `/** ${definition.description}${rangeOf(definition)}. @default ${otherwise} */`;
}

function rangeOf(definition: KeyDefinition): string {
  return definition.kind === "integer" ? ` (${definition.unit}, ${definition.min} to ${definition.max})` : "";
}

function typeOf(name: string, definition: KeyDefinition): string {
  const { isInput = false } = definition;
  switch (definition.kind) {
    case "integer":
      return "number";
    case "boolean":
      return "boolean";
    case "choice":
      return definition.choices.map((choice) => JSON.stringify(choice)).join(" | ");
    case "text":
      return isInput ? "pulumi.Input<string>" : "string";
    case "list":
      return isInput ? "pulumi.Input<readonly pulumi.Input<string>[]>" : "readonly string[]";
    case "records":
      return `readonly ${itemType(name)}[]`;
  }
}
