/** The declared container that the load balancer targets: what it runs, its variables, and its health check. */
import path from "node:path";
import { ExpectedError } from "../../app/src/settings/expectedError.ts";
import { settingDefinitions } from "../../app/src/settings/settings.ts";
import { type DeclaredGraph, findResources } from "../../infra/evaluation/graph.ts";
import { FieldReader } from "./fieldReader.ts";
import type { HealthThresholds } from "./health.ts";

/** @see https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDefinition.html */
const AWS_DEFAULTS = {
  stopTimeoutSeconds: 30,
  healthCheckIntervalSeconds: 30,
  healthCheckTimeoutSeconds: 5,
  healthCheckRetries: 3,
} as const;

/** The command that starts our server in its image. The local stack runs the sources instead of the bundle. */
const BUNDLE = ["node", "server.mjs"] as const;

export interface DeclaredContainer {
  readonly name: string;
  readonly port: number;
  /** Contains the values of the declared secrets. */
  readonly environment: Readonly<Record<string, string>>;
  /** Variables with a secret that the program does not declare, so that only AWS has its value. */
  readonly missingSecrets: readonly string[];
  /** What another server than ours runs; `undefined` for ours. */
  readonly image: OwnImage | undefined;
  /** Time from SIGTERM to SIGKILL. */
  readonly stopTimeoutSeconds: number;
  readonly healthCheck: ContainerHealthCheck | undefined;
}

/** The image of another server than ours. */
export interface OwnImage {
  /** Such as `ghcr.io/hasura/graphql-engine:v2`. */
  readonly reference: string;
  readonly entryPoint: readonly string[];
  /** Empty: the one of the image. */
  readonly command: readonly string[];
  /** `undefined` if the program does not build the image. */
  readonly build: ImageBuild | undefined;
  /** Absolute path of the build context, or else of the program: the folder in which the command runs without a container. */
  readonly folder: string;
}

/** A build of the program. Paths are absolute. */
export interface ImageBuild {
  readonly context: string;
  readonly dockerfile: string | undefined;
  readonly target: string | undefined;
  readonly args: Readonly<Record<string, string>>;
}

export interface ContainerHealthCheck {
  /** The arguments of our server, or the words of the command of another one. */
  readonly command: readonly string[];
  readonly intervalSeconds: number;
  readonly timeoutSeconds: number;
  /** Time after the start in which failures do not count. */
  readonly startPeriodSeconds: number;
  readonly thresholds: HealthThresholds;
}

/** @throws {ExpectedError} that names the resource and the input that the local stack cannot emulate. */
export function readContainer(
  graph: DeclaredGraph,
  task: FieldReader,
  { name, port }: { readonly name: string; readonly port: number },
): DeclaredContainer {
  const container = containersOf(task).find(([key]) => key === name)?.[1];
  if (container === undefined) {
    throw new ExpectedError(`${task.path}: no container has the name ${name}, which the target group has.`);
  }
  if (container.has("environmentFiles")) throw container.unsupportedError("environmentFiles", "nothing");
  const mapped = container.list("portMappings").some((mapping) => mapping.number("containerPort") === port);
  if (!mapped) {
    throw new ExpectedError(
      `${container.path}: portMappings do not contain ${port}, the port of the target group.`,
    );
  }
  const secrets = container
    .list("secrets")
    .map((entry) => [entry.text("name"), readSecret(graph, entry)] as const);
  const environment = Object.fromEntries([
    ...container.list("environment").map((entry) => [entry.text("name"), entry.text("value")] as const),
    ...secrets.filter((secret): secret is readonly [string, string] => secret[1] !== undefined),
  ]);
  const isOurs = settingDefinitions.serviceName.variable in environment;
  if (isOurs) {
    for (const key of ["command", "entryPoint"]) {
      if (container.has(key)) throw container.unsupportedError(key, "nothing");
    }
  }
  return {
    name,
    port,
    environment,
    missingSecrets: secrets.flatMap(([variable, value]) => (value === undefined ? [variable] : [])),
    image: isOurs ? undefined : readImage(graph, container),
    stopTimeoutSeconds: container.number("stopTimeout", AWS_DEFAULTS.stopTimeoutSeconds),
    healthCheck: container.has("healthCheck")
      ? readHealthCheck(container.object("healthCheck"), isOurs)
      : undefined,
  };
}

/** The names of the containers beside the one that the load balancer targets. */
export function sidecarsOf(task: FieldReader, name: string): readonly string[] {
  return containersOf(task).flatMap(([key]) => (key === name ? [] : [key]));
}

function containersOf(task: FieldReader): readonly (readonly [string, FieldReader])[] {
  const containers = task.has("container")
    ? [["container", task.object("container")] as const]
    : task.object("containers").entries();
  return containers.map(([key, container]) => [container.text("name", key), container]);
}

function readImage(graph: DeclaredGraph, container: FieldReader): OwnImage {
  const reference = container.text("image");
  const built = findResources(graph, "awsx:ecr:Image").find(
    ({ outputs }) => outputs["imageUri"] === reference,
  );
  const build = built && readBuild(graph.folder, FieldReader.inputsOf(built));
  return {
    reference,
    entryPoint: container.texts("entryPoint"),
    command: container.texts("command"),
    build,
    folder: build?.context ?? graph.folder,
  };
}

function readBuild(folder: string, inputs: FieldReader): ImageBuild {
  const args = inputs.objectOrEmpty("args");
  return {
    context: path.resolve(folder, inputs.text("context", ".")),
    dockerfile: inputs.has("dockerfile") ? path.resolve(folder, inputs.text("dockerfile")) : undefined,
    target: inputs.has("target") ? inputs.text("target") : undefined,
    args: Object.fromEntries(args.keys().map((name) => [name, args.text(name)])),
  };
}

const PARAMETER = "aws:ssm/parameter:Parameter";
const SECRET = "aws:secretsmanager/secret:Secret";
const SECRET_VERSION = "aws:secretsmanager/secretVersion:SecretVersion";

/**
 * The value that ECS reads when a task starts.
 * @returns `undefined` if the program declares neither the parameter nor the secret.
 * @see https://docs.aws.amazon.com/AmazonECS/latest/developerguide/secrets-envvar-secrets-manager.html
 */
function readSecret(graph: DeclaredGraph, entry: FieldReader): string | undefined {
  const source = entry.text("valueFrom");
  const parameter = findResources(graph, PARAMETER).find(({ outputs }) => outputs["arn"] === source);
  if (parameter !== undefined) return FieldReader.inputsOf(parameter).text("value");
  const secret = findResources(graph, SECRET).find(({ outputs: { arn } }) => isPartOf(source, String(arn)));
  const version = findResources(graph, SECRET_VERSION).find(
    ({ inputs }) => inputs["secretId"] === secret?.id || inputs["secretId"] === secret?.outputs["arn"],
  );
  if (secret === undefined || version === undefined) return undefined;
  const value = FieldReader.inputsOf(version).text("secretString");
  // ARN:JSON-KEY:VERSION-STAGE:VERSION-ID
  const [, key = ""] = source.slice(String(secret.outputs["arn"]).length).split(":");
  if (key === "") return value;
  return new FieldReader(`${SECRET_VERSION} "${version.name}" secretString`, parseObject(value)).text(key);
}

function isPartOf(source: string, arn: string): boolean {
  return source === arn || source.startsWith(`${arn}:`);
}

function parseObject(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}

function readHealthCheck(check: FieldReader, isOurs: boolean): ContainerHealthCheck | undefined {
  const command = isOurs ? readServerCheck(check) : readOwnCheck(check);
  return (
    command && {
      command,
      intervalSeconds: check.number("interval", AWS_DEFAULTS.healthCheckIntervalSeconds),
      timeoutSeconds: check.number("timeout", AWS_DEFAULTS.healthCheckTimeoutSeconds),
      startPeriodSeconds: check.number("startPeriod", 0),
      thresholds: { healthy: 1, unhealthy: check.number("retries", AWS_DEFAULTS.healthCheckRetries) },
    }
  );
}

function readServerCheck(check: FieldReader): readonly string[] {
  const [kind, ...command] = check.texts("command");
  if (kind !== "CMD" || BUNDLE.some((word, index) => command[index] !== word)) {
    throw check.unsupportedError("command", `CMD ${BUNDLE.join(" ")} and its arguments`);
  }
  return command.slice(BUNDLE.length);
}

/** @see https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_HealthCheck.html */
function readOwnCheck(check: FieldReader): readonly string[] | undefined {
  const [kind, ...words] = check.texts("command");
  switch (kind) {
    case "NONE":
      return undefined;
    case "CMD":
      return words;
    case "CMD-SHELL":
      return ["/bin/sh", "-c", words.join(" ")];
    case undefined:
    default:
      throw check.unsupportedError("command", "CMD, CMD-SHELL or NONE at its start");
  }
}
