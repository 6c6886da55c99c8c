/** The container's health check, which runs every few seconds. It loads no other module of the server, to be fast. */
import { get } from "node:http";
import type { IncomingMessage } from "node:http";

import { PATHS } from "../settings/contract.ts";
import type { Settings } from "../settings/settings.ts";

/** Shorter than the timeout of the container's health check, so that the reason is printed before that. */
const HEALTH_TIMEOUT_MS = 3_000;

/** Addresses of every interface. A request needs the address of one. */
const WILDCARDS = new Set(["0.0.0.0", "::"]);

/**
 * Requests the health of the server with the same settings.
 * @param timeoutMs time in which the answer must begin.
 * @throws {Error} with the reason if the server is not healthy.
 */
export async function checkHealth(
  { host, port }: Pick<Settings, "host" | "port">,
  timeoutMs = HEALTH_TIMEOUT_MS,
): Promise<void> {
  if (port === 0) throw new Error("`PORT`: got 0; expected the port of the server.");

  const url = new URL(`http://127.0.0.1:${port}${PATHS.health}`);
  if (!WILDCARDS.has(host)) url.hostname = host.includes(":") ? `[${host}]` : host;

  const status = await requestStatus(url, timeoutMs).catch((error: unknown) => {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`${url.href} does not answer: ${reason}`, { cause: error });
  });
  if (status !== 200) throw new Error(`${url.href} answers ${status ?? "nothing"}.`);
}

function requestStatus(url: URL, timeoutMs: number): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const onResponse = (response: IncomingMessage): void => {
      response.destroy();
      resolve(response.statusCode);
    };
    const request = get(url, { agent: false, signal: AbortSignal.timeout(timeoutMs) }, onResponse);
    request.on("error", (error) => {
      reject(error.name === "AbortError" ? new Error(`no answer in ${timeoutMs} ms`) : error);
    });
  });
}
