/** The arguments of the component in infra/config/arguments/configArguments.ts: one for each configuration key. */
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
    ([name, definition]) => `  ${describe(name, definition)}\n  readonly ${name}?: ${typeOf(definition)};\n`,
  );
  return `${HEAD}${fields.join("")}}\n`;
}

function describe(name: string, definition: KeyDefinition): string {
  const { description } = definition;
  const range =
    definition.kind === "integer" ? ` (${definition.unit}, ${definition.min} to ${definition.max})` : "";
  const otherwise =
    name === "access" ? "none: required, unless edge is api-gateway" : JSON.stringify(definition.default);
  return `/** ${description}${range}. @default ${otherwise} */`;
}

function typeOf(definition: KeyDefinition): string {
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
  }
}
