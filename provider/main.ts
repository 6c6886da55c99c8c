/**
 * The provider of the component for programs in other languages. The engine starts it as PulumiPlugin.yaml describes. It creates
 * the component as a program in TypeScript would, with the arguments of the other program.
 */
import { readFileSync } from "node:fs";
import { provider } from "@pulumi/pulumi";
import type { Inputs } from "@pulumi/pulumi";
import { WebSocketService } from "../infra/index.ts";

const TOKEN = "websocket:index:WebSocketService";

/** What this module reads of the generated schema. */
interface Schema {
  readonly resources: Readonly<
    Record<typeof TOKEN, { readonly properties: Readonly<Record<string, unknown>> }>
  >;
}

const { version } = readJson("../package.json") as { version: string };
const schema = readJson("schema.json") as Schema; // Written by `npm run docs`.
const outputs = Object.keys(schema.resources[TOKEN].properties);

// Without `await`, which a required module cannot have at its top level.
void provider.main(
  {
    version,
    schema: JSON.stringify({ ...schema, version }),
    construct(name, type, inputs: Inputs, options) {
      if (type !== TOKEN) throw new Error(`${type}: got an unknown type; expected ${TOKEN}.`);
      const service = new WebSocketService(name, inputs, options);
      const state = Object.fromEntries(
        Object.entries(service).filter(([property]) => outputs.includes(property)),
      );
      return Promise.resolve({ urn: service.urn, state });
    },
  },
  process.argv.slice(2),
);

function readJson(name: string): unknown {
  return JSON.parse(readFileSync(new URL(name, import.meta.url), "utf8"));
}
