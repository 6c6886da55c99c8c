/** Programs that declare services, under Pulumi's mocks. */
import * as pulumi from "@pulumi/pulumi";
import { standInsFor } from "../../../infra/evaluation/standIns.ts";

/** A resource that a program has registered. */
export interface Registered {
  readonly type: string;
  readonly name: string;
  readonly urn: string;
  readonly inputs: Readonly<Record<string, unknown>>;
  readonly options: pulumi.ResourceOptions;
}

const PROJECT = "shop";
const STACK = "test";
/** Makes the random values of programs equal, so that their resources can be compared. */
const RANDOM_SEED = "seed";

/**
 * Runs a program and returns its resources in the order of registration.
 * @throws the error that the program throws.
 */
export async function declare(program: () => void): Promise<readonly Registered[]> {
  const standIns = standInsFor("eu-west-1", RANDOM_SEED);
  const registered: Omit<Registered, "urn" | "options">[] = [];
  const declared: { readonly resource: pulumi.Resource; readonly options: pulumi.ResourceOptions }[] = [];
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
    pulumi.runtime.registerStackTransformation(({ resource, opts }) => {
      declared.push({ resource, options: opts });
      return undefined;
    });
    program();
    return Promise.resolve();
  });
  await pulumi.runtime.disconnect();
  const urns = await Promise.all(
    declared.map(async ({ resource, options }) => ({
      urn: await new Promise<string>((settle) => resource.urn.apply(settle)),
      options,
    })),
  );
  return registered
    .filter(({ type }) => type !== "pulumi:pulumi:Stack")
    .map((resource) => ({
      ...resource,
      ...(urns.find(({ urn }) => urn.endsWith(`${resource.type}::${resource.name}`)) ?? {
        urn: "",
        options: {},
      }),
    }));
}

/** Removes the secret marks from a value, at any depth. */
function revealed(value: unknown): unknown {
  const plain: unknown = pulumi.runtime.isRpcSecret(value) ? pulumi.runtime.unwrapRpcSecret(value) : value;
  if (Array.isArray(plain)) return plain.map(revealed);
  if (typeof plain !== "object" || plain === null) return plain;
  return Object.fromEntries(Object.entries(plain).map(([key, inner]) => [key, revealed(inner)]));
}
