/** The declared backplane, and the environment that leads a task to the emulated one. */
import { ExpectedError } from "../../app/src/settings/expectedError.ts";
import { settingDefinitions } from "../../app/src/settings/settings.ts";
import { type DeclaredGraph, findResources, findResource } from "../../infra/evaluation/graph.ts";
import { FieldReader } from "./fieldReader.ts";

const CACHE = "aws:elasticache/serverlessCache:ServerlessCache";
const USER_GROUP = "aws:elasticache/userGroup:UserGroup";
const USER = "aws:elasticache/user:User";

export interface DeclaredBackplane {
  readonly name: string;
  /** Such as `valkey 8`. */
  readonly engine: string;
  /** The host name of the endpoint in AWS. */
  readonly address: string;
  readonly port: number;
  /** Maximum storage in GB; `undefined` without a limit. */
  readonly maxGB: number | undefined;
  readonly user: BackplaneUser;
}

export interface BackplaneUser {
  readonly name: string;
  readonly password: string;
  /** The rules of its access control list, such as `on ~KEYS -@all +COMMAND`. */
  readonly access: string;
}

/** The server that emulates the declared backplane. */
export interface BackplaneAddress {
  readonly host: string;
  readonly port: number;
  /** Whether it supports the commands of a cluster. */
  readonly cluster: boolean;
}

/**
 * @returns `undefined` if the program declares none.
 * @throws {ExpectedError} that names the resource and the input that the local stack cannot emulate.
 */
export function readBackplane(graph: DeclaredGraph): DeclaredBackplane | undefined {
  if (findResources(graph, CACHE).length === 0) return undefined;
  const cache = findResource(graph, CACHE);
  const inputs = FieldReader.inputsOf(cache);
  const [endpoint] = FieldReader.outputsOf(cache).list("endpoints");
  if (endpoint === undefined) throw new ExpectedError(`${inputs.path}: the cache has no endpoint.`);
  const storage = inputs.objectOrEmpty("cacheUsageLimits").objectOrEmpty("dataStorage");
  return {
    name: cache.name,
    engine: `${inputs.choice("engine", ["valkey"])} ${inputs.text("majorEngineVersion")}`,
    address: endpoint.text("address"),
    port: endpoint.number("port"),
    maxGB: storage.has("maximum") ? storage.number("maximum") : undefined,
    user: readUser(graph, inputs.text("userGroupId")),
  };
}

function readUser(graph: DeclaredGraph, groupId: string): BackplaneUser {
  const group = findResources(graph, USER_GROUP)
    .map((resource) => FieldReader.inputsOf(resource))
    .find((candidate) => candidate.text("userGroupId") === groupId);
  if (group === undefined)
    throw new ExpectedError(`The program declares no ${USER_GROUP} with the id ${groupId}.`);
  const ids = group.texts("userIds");
  const [user, ...others] = findResources(graph, USER)
    .map((resource) => FieldReader.inputsOf(resource))
    .filter((candidate) => ids.includes(candidate.text("userId")));
  if (user === undefined || others.length > 0)
    throw group.unsupportedError("userIds", "one user that the program declares");
  const authentication = user.object("authenticationMode");
  const [password] = authentication.texts("passwords");
  if (password === undefined) throw authentication.unsupportedError("passwords", "a password");
  return { name: user.text("userName"), password, access: user.text("accessString") };
}

/** Replaces the endpoint of the declared backplane by the address of the emulated one, which has no TLS, in the environment of a task. */
export function redirectToBackplane(
  environment: Readonly<Record<string, string>>,
  { address, port }: DeclaredBackplane,
  emulated: BackplaneAddress,
): Readonly<Record<string, string>> {
  const redirected = Object.entries(environment).map(([name, value]) => {
    const url = URL.canParse(value) ? new URL(value) : undefined;
    if (url?.hostname !== address || Number(url.port) !== port) return [name, value] as const;
    const user = url.username === "" ? "" : `${url.username}@`;
    return [name, `redis://${user}${emulated.host}:${emulated.port}`] as const;
  });
  const cluster = String(emulated.cluster);
  return {
    ...Object.fromEntries(redirected),
    [settingDefinitions.valkeyCluster.variable]: cluster,
    // The variable of other servers than ours.
    ...("VALKEY_CLUSTER" in environment && { VALKEY_CLUSTER: cluster }),
  };
}
