/** Programs that declare services, under Pulumi's mocks. */
import * as pulumi from "@pulumi/pulumi";
import { standInsFor } from "../../../infra/evaluation/standIns.ts";

/** A resource that a program has registered. */
export interface Registered {
  readonly type: string;
  readonly name: string;
  readonly urn: string;
  readonly inputs: Readonly<Record<string, unknown>>;
}

const PROJECT = "shop";
const STACK = "test";

/**
 * Runs a program and returns its resources in the order of registration.
 * @throws the error that the program throws.
 */
export async function declare(program: () => void): Promise<readonly Registered[]> {
  const standIns = standInsFor("eu-west-1");
  const registered: Omit<Registered, "urn">[] = [];
  const resources: pulumi.Resource[] = [];
  pulumi.runtime.setAllConfig({});
  await pulumi.runtime.setMocks(
    {
      newResource: ({ type, name, inputs, custom = true }) => {
        registered.push({ type, name, inputs: revealed(inputs) as Registered["inputs"] });
        const { id, outputs } = standIns.resource(type, name, revealed(inputs) as Registered["inputs"]);
        return { id: custom ? id : undefined, state: outputs };
      },
      call: ({ token, inputs }) => standIns.call(token, inputs as Registered["inputs"]),
    },
    PROJECT,
    STACK,
  );
  await pulumi.runtime.runInPulumiStack(() => {
    pulumi.runtime.registerStackTransformation(({ resource }) => {
      resources.push(resource);
      return undefined;
    });
    program();
    return Promise.resolve();
  });
  await pulumi.runtime.disconnect();
  const urns = await Promise.all(
    resources.map((resource) => new Promise<string>((settle) => resource.urn.apply(settle))),
  );
  return registered
    .filter(({ type }) => type !== "pulumi:pulumi:Stack")
    .map(({ type, name, inputs }) => ({
      type,
      name,
      inputs,
      urn: urns.find((urn) => urn.endsWith(`${type}::${name}`)) ?? "",
    }));
}

/** Removes the secret marks from a value, at any depth. */
function revealed(value: unknown): unknown {
  const plain: unknown = pulumi.runtime.isRpcSecret(value) ? pulumi.runtime.unwrapRpcSecret(value) : value;
  if (Array.isArray(plain)) return plain.map(revealed);
  if (typeof plain !== "object" || plain === null) return plain;
  return Object.fromEntries(Object.entries(plain).map(([key, inner]) => [key, revealed(inner)]));
}
