/** A server whose log the test controls, with a client of `channels.v1`. */
import type { Settings } from "../../../app/src/settings/settings.ts";
import { connectChannels } from "./channelsClient.ts";
import type { ChannelsClient } from "./channelsClient.ts";
import { ManualLog } from "./logs.ts";
import { startServer, UNLIMITED } from "./server.ts";
import type { ServerOptions, TestServer } from "./server.ts";

export async function startManualServer(
  settings: Partial<Settings> = UNLIMITED,
  options: ServerOptions = {},
): Promise<{ readonly log: ManualLog; readonly server: TestServer; readonly client: ChannelsClient }> {
  const log = new ManualLog();
  const server = await startServer(settings, { ...options, log });
  return { log, server, client: await connectChannels(server.url) };
}

/** Answers a publish as the log does that has stored it. */
export function store(log: ManualLog, n: number): void {
  log.appends[n]?.answer.resolve({ epoch: "e", offset: n + 1, duplicate: false });
}
