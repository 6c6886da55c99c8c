/** The compared servers, and the compared paths to this project's server. */
import { fileURLToPath } from "node:url";

import { toEnvironment } from "../app/src/settings/environment.ts";
import { settingDefinitions } from "../app/src/settings/settings.ts";
import type { ProtocolName } from "./generator/protocols.ts";
import { startHaproxy } from "./paths/haproxy.ts";
import { type FrontOptions, type ServerProcess, startServer } from "./processes.ts";

export const SERVERS = ["naive", "socket.io", "this"] as const;
/** The server alone, behind HAProxy, and behind the local edge and load balancer. */
export const PATHS = ["direct", "haproxy", "local"] as const;

export type ContestantName = (typeof SERVERS)[number] | (typeof PATHS)[number];

export interface Contestant {
  readonly name: ContestantName;
  readonly protocol: ProtocolName;
  /** Source file of the server. */
  readonly entry: string;
  /** @param storeUrl URL of the Valkey that several tasks share. */
  readonly environment: (storeUrl?: string) => Readonly<Record<string, string>>;
  /** Starts a process with TLS to which the clients connect instead. */
  readonly startFront?: (options: FrontOptions) => Promise<ServerProcess>;
}

export interface Machinery {
  /** Folder that contains Socket.IO; `undefined` excludes it. */
  readonly peersFolder: string | undefined;
  /** Path of HAProxy; `undefined` excludes it. */
  readonly haproxy: string | undefined;
}

export function contestants({ peersFolder, haproxy }: Machinery): readonly Contestant[] {
  const own = { protocol: "plain", entry: file("../app/src/main.ts"), environment: ownEnvironment } as const;
  return [
    { name: "naive", protocol: "plain", entry: file("./peers/naive.ts"), environment: peerEnvironment },
    ...(peersFolder === undefined
      ? []
      : [
          {
            name: "socket.io",
            protocol: "socket.io",
            entry: file("./peers/socketIo.ts"),
            environment: (storeUrl) => ({ ...peerEnvironment(storeUrl), PEERS_FOLDER: peersFolder }),
          } satisfies Contestant,
        ]),
    { name: "this", ...own },
    { name: "direct", ...own },
    ...(haproxy === undefined
      ? []
      : [
          {
            name: "haproxy",
            ...own,
            startFront: (options) => startHaproxy(haproxy, options),
          } satisfies Contestant,
        ]),
    { name: "local", ...own, startFront: startLocalPath },
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
function ownEnvironment(storeUrl?: string): Readonly<Record<string, string>> {
  return toEnvironment({
    messagesPerSecond: settingDefinitions.messagesPerSecond.max,
    messageBurst: settingDefinitions.messageBurst.max,
    bytesPerSecond: settingDefinitions.bytesPerSecond.max,
    connectionsPerUser: settingDefinitions.connectionsPerUser.max,
    channelsPerUser: settingDefinitions.channelsPerUser.max,
    bytesPerSecondPerUser: settingDefinitions.bytesPerSecondPerUser.max,
    // Several tasks on one machine need different ports.
    metricsPort: 0,
    ...(storeUrl === undefined ? {} : { valkeyUrl: storeUrl }),
  });
}

function peerEnvironment(storeUrl?: string): Readonly<Record<string, string>> {
  return storeUrl === undefined ? {} : { VALKEY_URL: storeUrl };
}

function file(relative: string): string {
  return fileURLToPath(new URL(relative, import.meta.url));
}
