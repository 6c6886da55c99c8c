/** A server whose log the test controls, with a client of `resume.v1`. */
import type { Settings } from "../../../app/src/settings/settings.ts";
import { waitUntil } from "../../support/waitUntil.ts";
import { connectResuming } from "./client.ts";
import type { Client } from "./client.ts";
import { ManualLog } from "./logs.ts";
import { DEFAULT_CHANNEL, startServer } from "./server.ts";
import type { ServerOptions, TestServer } from "./server.ts";

export async function startManualServer(
  settings: Partial<Settings> = {},
  options: ServerOptions = {},
): Promise<{ readonly log: ManualLog; readonly server: TestServer; readonly client: Client }> {
  const log = new ManualLog();
  const server = await startServer(settings, { ...options, log });
  const connecting = connectResuming(server.url);
  await waitUntil(() => log.readers.has(DEFAULT_CHANNEL));
  log.reader(DEFAULT_CHANNEL).started({ epoch: "e", next: 1 });
  return { log, server, client: (await connecting).client };
}

/** Answers a publish as the log does that has stored it. */
export function store(log: ManualLog, n: number): void {
  log.appends[n]?.answer.resolve({ epoch: "e", offset: n + 1, duplicate: false });
}
