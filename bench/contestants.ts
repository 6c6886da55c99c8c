/** The compared servers, and the compared paths to this project's server. */
import { fileURLToPath } from "node:url";

import { SERVER_NODE_OPTIONS } from "../app/src/settings/contract.ts";
import { toEnvironment } from "../app/src/settings/environment.ts";
import { settingDefinitions } from "../app/src/settings/settings.ts";
import type { BaseCheckout } from "./baseCheckout.ts";
import type { ProtocolName } from "./generator/protocols.ts";
import { startHaproxy } from "./paths/haproxy.ts";
import { type FrontOptions, type ServerProcess, startServer } from "./processes.ts";

/** This project's server, and that of another checkout, with each dialect. */
export const OWN_SERVERS = ["this", "this, plain", "base", "base, plain"] as const;
export const SERVERS = ["naive", "socket.io", ...OWN_SERVERS] as const;
/** The server alone, behind HAProxy, and behind the local edge and load balancer. */
export const PATHS = ["direct", "haproxy", "local"] as const;

export type ContestantName = (typeof SERVERS)[number] | (typeof PATHS)[number];

/** Contestants whose figures are compared in addition to the ratios to one base. */
export const COMPARISONS: readonly (readonly [ContestantName, ContestantName])[] = [
  ["this", "this, plain"],
  ["this", "base"],
  ["this, plain", "base, plain"],
];

export interface Contestant {
  readonly name: ContestantName;
  readonly protocol: ProtocolName;
  /** Source file of the server. */
  readonly entry: string;
  /** The options of Node.js for its process. @default none */
  readonly nodeOptions?: readonly string[];
  /** @param store the Valkey that several tasks share. */
  readonly environment: (store?: StoreAddress) => Readonly<Record<string, string>>;
  /** Starts a process with TLS to which the clients connect instead. */
  readonly startFront?: (options: FrontOptions) => Promise<ServerProcess>;
}

export interface StoreAddress {
  readonly url: string;
  readonly isCluster: boolean;
}

export interface Machinery {
  /** Folder that contains Socket.IO; `undefined` excludes it. */
  readonly peersFolder: string | undefined;
  /** Path of HAProxy; `undefined` excludes it. */
  readonly haproxy: string | undefined;
  /** The server of another checkout; `undefined` excludes it. */
  readonly base?: BaseCheckout | undefined;
}

export function contestants({ peersFolder, haproxy, base }: Machinery): readonly Contestant[] {
  const own = {
    entry: file("../app/src/main.ts"),
    nodeOptions: SERVER_NODE_OPTIONS,
    environment: (store?: StoreAddress) => ownEnvironment(store),
  };
  const path = { ...own, protocol: "plain" } as const;
  const peer = { protocol: "plain", entry: file("./peers/naive.ts"), environment: peerEnvironment } as const;
  const all: readonly (Contestant | undefined)[] = [
    { name: "naive", ...peer },
    peersFolder === undefined
      ? undefined
      : {
          name: "socket.io",
          protocol: "socket.io",
          entry: file("./peers/socketIo.ts"),
          environment: (store) => ({ ...peerEnvironment(store), PEERS_FOLDER: peersFolder }),
        },
    { name: "this", ...own, protocol: "channels.v1" },
    { name: "this, plain", ...own, protocol: "plain" },
    ...(base === undefined ? [] : baseContestants(base)),
    { name: "direct", ...path },
    haproxy === undefined
      ? undefined
      : { name: "haproxy", ...path, startFront: (options) => startHaproxy(haproxy, options) },
    { name: "local", ...path, startFront: startLocalPath },
  ];
  return all.filter((contestant) => contestant !== undefined);
}

function baseContestants({ entry, definitions, nodeOptions, lossless }: BaseCheckout): readonly Contestant[] {
  const common = {
    entry,
    nodeOptions,
    environment: (store?: StoreAddress) => ownEnvironment(store, definitions),
  };
  return [
    { name: "base", protocol: lossless, ...common },
    { name: "base, plain", protocol: "plain", ...common },
  ];
}

function startLocalPath({ upstreamPort, environment, ...options }: FrontOptions): Promise<ServerProcess> {
  return startServer({
    ...options,
    name: "local",
    entry: file("./paths/localPath.ts"),
    environment: {
      ...environment,
      UPSTREAM_PORT: String(upstreamPort),
      CERTIFICATE_FOLDER: options.folder,
    },
  });
}

/** The defaults, except for limits that the generator would reach: all its clients are one user. */
function ownEnvironment(
  store?: StoreAddress,
  definitions = settingDefinitions,
): Readonly<Record<string, string>> {
  return toEnvironment({
    messagesPerSecond: definitions.messagesPerSecond.max,
    messageBurst: definitions.messageBurst.max,
    bytesPerSecond: definitions.bytesPerSecond.max,
    connectionsPerUser: definitions.connectionsPerUser.max,
    channelsPerUser: definitions.channelsPerUser.max,
    bytesPerSecondPerUser: definitions.bytesPerSecondPerUser.max,
    // The default of another checkout can be lower.
    maxChannels: settingDefinitions.maxChannels.default,
    // Several tasks on one machine need different ports.
    metricsPort: 0,
    ...(store !== undefined && { valkeyUrl: store.url, valkeyCluster: store.isCluster }),
  });
}

function peerEnvironment(store?: StoreAddress): Readonly<Record<string, string>> {
  return store === undefined ? {} : { VALKEY_URL: store.url };
}

function file(relative: string): string {
  return fileURLToPath(new URL(relative, import.meta.url));
}
