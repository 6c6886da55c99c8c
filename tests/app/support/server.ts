/** The server in the process of the test. */
import { fileURLToPath } from "node:url";

import type { Logger } from "pino";

import type { Authorizer } from "../../../app/src/auth/authorize.ts";
import { Hub } from "../../../app/src/channel/hub.ts";
import type { WireLimits } from "../../../app/src/connection/wireLimits.ts";
import type { Handlers } from "../../../app/src/handlers/index.ts";
import type { MessageLog } from "../../../app/src/log/log.ts";
import { createMemoryLog } from "../../../app/src/log/memory/memoryLog.ts";
import { Metrics } from "../../../app/src/metrics/metrics.ts";
import { createServer } from "../../../app/src/server.ts";
import type { Server } from "../../../app/src/server.ts";
import { defaultSettings } from "../../../app/src/settings/settings.ts";
import type { Settings } from "../../../app/src/settings/settings.ts";
import { afterwards, silent } from "./teardown.ts";

/** The channel of `/wss` itself. */
export const DEFAULT_CHANNEL = "";

/** Rates that no test reaches. */
export const UNLIMITED = {
  messagesPerSecond: 1_000_000,
  messageBurst: 1_000_000,
  bytesPerSecond: 1 << 30,
  bytesPerSecondPerUser: 1 << 30,
};

const CONSOLE_FOLDER = fileURLToPath(new URL("../../../console", import.meta.url));

export interface TestServer extends Server {
  readonly hub: Hub;
  readonly metrics: Metrics;
  /** `ws://…/wss` */
  readonly url: string;
  /** `http://…`, without a path. */
  readonly origin: string;
}

export interface ServerOptions {
  readonly log?: MessageLog;
  /** @see HubParts.lingerMs */
  readonly lingerMs?: number;
  readonly authorize?: Authorizer;
  readonly logger?: Logger;
  readonly limits?: Partial<WireLimits>;
  readonly handlers?: Handlers;
  readonly environment?: Readonly<Record<string, string>>;
}

/** Starts a server on a free port, and closes it after the test. */
export async function startServer(
  overrides: Partial<Settings> = {},
  { log, lingerMs = 0, authorize, logger = silent, limits = {}, ...application }: ServerOptions = {},
): Promise<TestServer> {
  const settings: Settings = { ...defaultSettings(), host: "127.0.0.1", port: 0, ...overrides };
  const usedLog = log ?? createMemoryLog({ retentionOf: () => settings });
  const metrics = new Metrics();
  const hub = new Hub({ ...settings, log: usedLog, lingerMs });
  const server = await createServer({
    settings,
    hub,
    metrics,
    logger,
    consoleFolder: CONSOLE_FOLDER,
    authorize,
    limits,
    ...application,
  });
  afterwards(async () => {
    await server.close();
    hub.close();
    await usedLog.close();
    metrics.close();
  });
  const authority = `${server.address.host}:${server.address.port}`;
  return { ...server, hub, metrics, url: `ws://${authority}/wss`, origin: `http://${authority}` };
}
