/**
 * The declared graph: what one evaluation of the program declares, as plain data. Unit tests, the policy pack
 * and the local stack read it.
 */

/** One declared resource, component or custom. */
export interface DeclaredResource {
  /** Pulumi type token, such as `aws:lb/listenerRule:ListenerRule` or `websocket:infra:Edge`. */
  readonly type: string;
  /** Logical name. */
  readonly name: string;
  readonly urn: string;
  /** URN of the parent; `undefined` for the stack itself. */
  readonly parent: string | undefined;
  /** False for components, ours and awsx's. */
  readonly custom: boolean;
  /** Inputs as the provider would receive them: outputs resolved, secrets unwrapped, absent keys absent. */
  readonly inputs: Readonly<Record<string, unknown>>;
  /** Paths of those inputs that are secret, such as `origins[0].customHeaders[0].value`. */
  readonly secretInputs: readonly string[];
  /** Id and outputs that the evaluation stood in for the cloud's. */
  readonly id: string;
  readonly outputs: Readonly<Record<string, unknown>>;
  /** Reference to the provider that manages it, `URN::ID`; empty for components and for default providers. */
  readonly provider: string;
  readonly options: DeclaredOptions;
}

/** The resource options that change what an update does. */
export interface DeclaredOptions {
  readonly dependsOn: readonly string[];
  readonly ignoreChanges: readonly string[];
  readonly protect: boolean;
  readonly retainOnDelete: boolean;
}

export interface DeclaredGraph {
  readonly stack: string;
  /** In the order of registration. */
  readonly resources: readonly DeclaredResource[];
  /** The stack's outputs, secrets unwrapped. */
  readonly outputs: Readonly<Record<string, unknown>>;
  /** Names of the outputs that are secret. */
  readonly secretOutputs: readonly string[];
  /** What the program told the user while it was evaluated: warnings of the configuration. */
  readonly warnings: readonly string[];
}

/** The resources of one type, in the order of registration. */
export function ofType(graph: DeclaredGraph, type: string): readonly DeclaredResource[] {
  return graph.resources.filter((resource) => resource.type === type);
}

/**
 * The only resource of its type.
 * @throws {Error} where the graph declares none, or several.
 */
export function theOnly(graph: DeclaredGraph, type: string): DeclaredResource {
  const found = ofType(graph, type);
  const [resource] = found;
  if (resource === undefined || found.length > 1) {
    const names = found.map(({ name }) => name).join(", ");
    throw new Error(
      `Expected one ${type} in stack ${graph.stack}, found ${found.length}${names && `: ${names}`}.`,
    );
  }
  return resource;
}
