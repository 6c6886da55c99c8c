/** Records the resources of one evaluation: resolved inputs with Pulumi's mocks, parents and resource options with a transformation. */
import * as pulumi from "@pulumi/pulumi";
import type { DeclaredOptions, DeclaredResource } from "./graph.ts";
import { standInsFor } from "./standIns.ts";

/** A resource as the program registers it. */
interface Registration {
  readonly type: string;
  readonly name: string;
  readonly custom: boolean;
  readonly provider: string;
  /** Resolved inputs, in which secrets are marked. */
  readonly inputs: unknown;
  readonly id: string;
  readonly outputs: Readonly<Record<string, unknown>>;
}

/** Records resolved inputs with Pulumi's mocks, and parents and resource options with a transformation. */
export function createRecorder(
  region: string,
  randomSeed: string | undefined,
): {
  readonly mocks: pulumi.runtime.Mocks;
  readonly transformation: pulumi.ResourceTransformation;
  readonly resources: () => Promise<DeclaredResource[]>;
} {
  const standIns = standInsFor(region, randomSeed);
  const registrations: Registration[] = [];
  const declarations = new Map<string, pulumi.ResourceTransformationArgs>();
  const keyOf = (type: string, name: string): string => `${type}::${name}`;

  return {
    mocks: {
      newResource: ({ type, name, inputs, custom = true, provider = "" }) => {
        const { id, outputs, secretOutputs } = standIns.resource(type, name, toRecord(unwrap(inputs)));
        registrations.push({ type, name, custom, provider, inputs, id, outputs });
        const secrets = secretOutputs.map((output) => [output, pulumi.secret(outputs[output])] as const);
        return { id: custom ? id : undefined, state: { ...outputs, ...Object.fromEntries(secrets) } };
      },
      call: ({ token, inputs }) => standIns.call(token, toRecord(unwrap(inputs))),
    },

    transformation: (args) => {
      declarations.set(keyOf(args.type, args.name), args);
      return undefined;
    },

    resources: () =>
      Promise.all(
        registrations.map(async ({ inputs, ...registration }) => {
          const stack = pulumi.runtime.getStackResource();
          // The stack resource is registered before the transformation.
          const declaration = declarations.get(keyOf(registration.type, registration.name));
          const { resource = stack, opts = {}, props = {} } = declaration ?? {};
          const parent = opts.parent ?? (resource === stack ? undefined : stack);
          const options = await readOptions(opts);
          return {
            ...registration,
            ...(isRemote(resource) && { remote: true }),
            outputs: { ...registration.outputs, ...(!registration.custom && (await readUrl(resource))) },
            urn: resource === undefined ? "" : await resolve(resource.urn),
            parent: parent === undefined ? undefined : await resolve(parent.urn),
            inputs: toRecord(unwrap(inputs)),
            secretInputs: findSecretPaths(inputs),
            dependencies: [...new Set([...options.dependsOn, ...(await findSources(props))])],
            options,
          };
        }),
      ),
  };
}

/** Reads the URL of a service from its component: Pulumi's mocks do not report the outputs that components register. */
async function readUrl(component: pulumi.Resource | undefined): Promise<{ readonly websocketUrl?: unknown }> {
  if (component === undefined || !("websocketUrl" in component)) return {};
  const { websocketUrl } = component;
  return pulumi.Output.isInstance(websocketUrl) ? { websocketUrl: await resolve(websocketUrl) } : {};
}

/** A member of components that the types of Pulumi omit. */
function isRemote(resource: pulumi.Resource | undefined): boolean {
  return resource !== undefined && "__remote" in resource && resource.__remote === true;
}

async function readOptions(opts: pulumi.CustomResourceOptions): Promise<DeclaredOptions> {
  const dependsOn = await resolve(pulumi.output(opts.dependsOn ?? []));
  return {
    dependsOn: await Promise.all([dependsOn].flat().map(({ urn }) => resolve(pulumi.output(urn)))),
    ignoreChanges: opts.ignoreChanges ?? [],
    replaceOnChanges: opts.replaceOnChanges ?? [],
    protect: opts.protect ?? false,
    retainOnDelete: opts.retainOnDelete ?? false,
  };
}

/** Returns the URNs of the resources from which inputs get their values. */
async function findSources(inputs: unknown): Promise<readonly string[]> {
  // A member of every output that the type declarations of Pulumi omit.
  const output = pulumi.output(inputs) as {
    readonly allResources?: () => Promise<ReadonlySet<pulumi.Resource>>;
  };
  const resources = (await output.allResources?.()) ?? new Set();
  return Promise.all(Array.from(resources, ({ urn }) => resolve(urn)));
}

/** Returns the value of an output. With mocks all values become known. */
function resolve<T>(output: pulumi.Output<T>): Promise<pulumi.Unwrap<T>> {
  return new Promise((settle) => {
    pulumi.output(output).apply(settle);
  });
}

/** Removes the secret marks from a value, at any depth. */
function unwrap(value: unknown): unknown {
  const plain: unknown = pulumi.runtime.isRpcSecret(value) ? pulumi.runtime.unwrapRpcSecret(value) : value;
  if (Array.isArray(plain)) return plain.map(unwrap);
  if (!isRecord(plain)) return plain;
  return Object.fromEntries(Object.entries(plain).map(([key, inner]) => [key, unwrap(inner)]));
}

/** Returns the paths of the secrets in a value, such as `origins[0].customHeaders`. */
function findSecretPaths(value: unknown, path = ""): string[] {
  if (pulumi.runtime.isRpcSecret(value)) return [path];
  if (Array.isArray(value))
    return value.flatMap((inner, index) => findSecretPaths(inner, `${path}[${index}]`));
  if (!isRecord(value)) return [];
  return Object.entries(value).flatMap(([key, inner]) =>
    findSecretPaths(inner, path === "" ? key : `${path}.${key}`),
  );
}

function toRecord(value: unknown): Record<string, unknown> {
  return isRecord(value) ? value : {};
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
