/** The declared graph: the resources of one evaluation as plain data, for unit tests, the policy pack and the local stack. */
import { ExpectedError } from "../../app/src/settings/expectedError.ts";

/** A declared component or custom resource. */
export interface DeclaredResource {
  /** Pulumi type token, such as `aws:lb/listenerRule:ListenerRule` or `websocket:infra:Distribution`. */
  readonly type: string;
  /** Logical name. */
  readonly name: string;
  readonly urn: string;
  /** URN of the parent; `undefined` for the stack resource. */
  readonly parent: string | undefined;
  /** False for component resources, including those of awsx. */
  readonly custom: boolean;
  /** True for a component whose provider declares the children, so that the graph does not have them. @default false */
  readonly remote?: boolean;
  /** Inputs as the provider would receive them: resolved, with secrets in plain text, without undefined keys. */
  readonly inputs: Readonly<Record<string, unknown>>;
  /** Paths of the secret inputs, such as `origins[0].customHeaders[0].value`. */
  readonly secretInputs: readonly string[];
  /** URNs of the resources that exist before this one, because its inputs or `dependsOn` refer to them. */
  readonly dependencies: readonly string[];
  /** ID and outputs of the stand-in provider. */
  readonly id: string;
  readonly outputs: Readonly<Record<string, unknown>>;
  /** Provider reference, `URN::ID`; empty for components and default providers. */
  readonly provider: string;
  readonly options: DeclaredOptions;
}

/** Resource options that affect updates. `dependsOn` contains URNs. */
export interface DeclaredOptions {
  readonly dependsOn: readonly string[];
  readonly ignoreChanges: readonly string[];
  readonly replaceOnChanges: readonly string[];
  readonly protect: boolean;
  readonly retainOnDelete: boolean;
}

export interface DeclaredGraph {
  readonly stack: string;
  /** Absolute path of the folder in which Pulumi runs the program: relative paths in inputs start there. */
  readonly folder: string;
  /** In the order of registration. */
  readonly resources: readonly DeclaredResource[];
  /** Stack outputs, with secrets in plain text. */
  readonly outputs: Readonly<Record<string, unknown>>;
  /** Names of the secret outputs. */
  readonly secretOutputs: readonly string[];
  /** What the program reports with `pulumi.log.warn`. */
  readonly warnings: readonly string[];
}

/** Returns the resources of one type, in the order of registration. */
export function findResources(graph: DeclaredGraph, type: string): readonly DeclaredResource[] {
  return graph.resources.filter((resource) => resource.type === type);
}

/**
 * Returns the only resource of a type.
 * @throws {ExpectedError} if the graph has no resource of the type, or several.
 */
export function findResource(graph: DeclaredGraph, type: string): DeclaredResource {
  const found = findResources(graph, type);
  const [resource] = found;
  if (resource === undefined || found.length > 1) {
    const names = found.map(({ name }) => name).join(", ");
    throw new ExpectedError(
      `Expected one ${type} in stack ${graph.stack}, found ${found.length}${names && `: ${names}`}.`,
    );
  }
  return resource;
}
