/** The declared backplane, and what a task is told of the one that is started in its place. */
import { settingDefinitions } from "../../app/src/settings/settings.ts";
import { type DeclaredGraph, ofType, theOnly } from "../../infra/evaluation/graph.ts";
import { Declared } from "./declared.ts";

const CACHE = "aws:elasticache/serverlessCache:ServerlessCache";
const USER_GROUP = "aws:elasticache/userGroup:UserGroup";
const USER = "aws:elasticache/user:User";

export interface Backplane {
  readonly name: string;
  /** Such as `valkey 8`. */
  readonly engine: string;
  /** Where the cloud's would be. */
  readonly address: string;
  readonly port: number;
  /** The most that it may hold, in GB; `undefined` where nothing caps it. */
  readonly maxGB: number | undefined;
  readonly user: BackplaneUser;
}

export interface BackplaneUser {
  readonly name: string;
  readonly password: string;
  /** What it may do, in the words of an access control list: `on ~KEYS -@all +COMMAND`. */
  readonly access: string;
}

/** What has been started in the declared one's place. */
export interface BackplaneAddress {
  readonly host: string;
  readonly port: number;
  /** Whether it speaks the cluster protocol. */
  readonly cluster: boolean;
}

/**
 * @returns nothing where none is declared.
 * @throws {Error} naming the resource and the input that cannot be played.
 */
export function readBackplane(graph: DeclaredGraph): Backplane | undefined {
  if (ofType(graph, CACHE).length === 0) return undefined;
  const cache = theOnly(graph, CACHE);
  const inputs = Declared.inputsOf(cache);
  const [endpoint] = Declared.outputsOf(cache).list("endpoints");
  if (endpoint === undefined) throw new Error(`${inputs.where}: it has no endpoint.`);
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
  const group = ofType(graph, USER_GROUP)
    .map((resource) => Declared.inputsOf(resource))
    .find((candidate) => candidate.text("userGroupId") === groupId);
  if (group === undefined) throw new Error(`No ${USER_GROUP} with the id ${groupId} is declared.`);
  const ids = group.texts("userIds");
  const [user, ...others] = ofType(graph, USER)
    .map((resource) => Declared.inputsOf(resource))
    .filter((candidate) => ids.includes(candidate.text("userId")));
  if (user === undefined || others.length > 0) {
    throw new Error(`${group.where}: userIds must hold one declared user to be played here.`);
  }
  const [password] = user.object("authenticationMode").texts("passwords");
  if (password === undefined) throw new Error(`${user.where}: a user has a password to be played here.`);
  return { name: user.text("userName"), password, access: user.text("accessString") };
}

/** The environment of a task, with the started backplane where the declared one was. TLS ends with the cloud. */
export function reachingFrom(
  environment: Readonly<Record<string, string>>,
  { address, port }: Backplane,
  started: BackplaneAddress,
): Readonly<Record<string, string>> {
  const redirected = Object.entries(environment).map(([name, value]) => {
    const url = URL.canParse(value) ? new URL(value) : undefined;
    if (url?.hostname !== address || Number(url.port) !== port) return [name, value] as const;
    const user = url.username === "" ? "" : `${url.username}@`;
    return [name, `redis://${user}${started.host}:${started.port}`] as const;
  });
  return {
    ...Object.fromEntries(redirected),
    [settingDefinitions.valkeyCluster.variable]: String(started.cluster),
  };
}
