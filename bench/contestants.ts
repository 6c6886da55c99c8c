/** The compared servers. */
import { fileURLToPath } from "node:url";

import { toEnvironment } from "../app/src/settings/environment.ts";
import { settingDefinitions } from "../app/src/settings/settings.ts";
import type { ProtocolName } from "./generator/protocols.ts";

export type ContestantName = "naive" | "socket.io" | "this";

export interface Contestant {
  readonly name: ContestantName;
  readonly protocol: ProtocolName;
  /** Source file of the server. */
  readonly entry: string;
  /** @param storeUrl URL of the Valkey that several tasks share. */
  readonly environment: (storeUrl?: string) => Readonly<Record<string, string>>;
}

/** @param peersFolder folder that contains Socket.IO; `undefined` excludes it. */
export function contestants(peersFolder: string | undefined): readonly Contestant[] {
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
    {
      name: "this",
      protocol: "plain",
      entry: file("../app/src/main.ts"),
      // The defaults, except for limits that the generator would reach: all its clients are one user.
      environment: (storeUrl) =>
        toEnvironment({
          messagesPerSecond: settingDefinitions.messagesPerSecond.max,
          messageBurst: settingDefinitions.messageBurst.max,
          bytesPerSecond: settingDefinitions.bytesPerSecond.max,
          connectionsPerUser: settingDefinitions.connectionsPerUser.max,
          channelsPerUser: settingDefinitions.channelsPerUser.max,
          bytesPerSecondPerUser: settingDefinitions.bytesPerSecondPerUser.max,
          // Several tasks on one machine need different ports.
          metricsPort: 0,
          ...(storeUrl === undefined ? {} : { valkeyUrl: storeUrl }),
        }),
    },
  ];
}

function peerEnvironment(storeUrl?: string): Readonly<Record<string, string>> {
  return storeUrl === undefined ? {} : { VALKEY_URL: storeUrl };
}

function file(relative: string): string {
  return fileURLToPath(new URL(relative, import.meta.url));
}
