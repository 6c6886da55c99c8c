/** The answers to HTTP requests that are not upgrades. */
import { STATUS_CODES } from "node:http";

import express from "express";
import type { ErrorRequestHandler, Express, RequestHandler } from "express";
import type { Logger } from "pino";

import { readClientScript } from "./clientScript.ts";
import { isChannelPath } from "./handshake.ts";
import { PATHS } from "../settings/contract.ts";

/** The path below which an application has its routes. */
const APPLICATION_PATH = "/api";

/**
 * The console page loads only its own files. It may connect to any WebSocket server, because the user can edit the address. The
 * client requests the reason by HTTP if such a server refuses a connection.
 * @see https://www.w3.org/TR/CSP3/
 */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self' ws: wss: http: https:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

export type Readiness = "Starting" | "Ok" | "Draining";

export interface PagesParts {
  /** Returns the answer to health checks. Clients are admitted only if it is `Ok`. */
  readonly readiness: () => Readiness;
  /** Folder of the console page. All of it is public. */
  readonly consoleFolder: string;
  /** Answers the requests of the HTTP API. @default there is no API */
  readonly api?: RequestHandler;
  readonly logger: Logger;
  /** The routes of the application, below {@link APPLICATION_PATH}. @default none */
  readonly routes?: readonly RequestHandler[] | undefined;
}

/** Creates the express app with the health checks, the console page, the client's script, the HTTP API and other routes. */
export function createPages({
  readiness,
  consoleFolder,
  api = skip,
  logger,
  routes = [skip],
}: PagesParts): Express {
  const health: RequestHandler = (_request, response) => {
    const state = readiness();
    response
      .status(state === "Ok" ? 200 : 503)
      .type("text")
      .set("Cache-Control", "no-store")
      .send(state);
  };

  const fail: ErrorRequestHandler = (error: unknown, _request, response, next) => {
    if (response.headersSent) {
      next(error);
      return;
    }
    const status = readStatus(error);
    if (status >= 500) logger.error({ err: error }, "request failed");
    response
      .status(status)
      .type("text")
      .send(STATUS_CODES[status] ?? "Error");
  };

  let clientScript: Promise<string> | undefined;
  const client: RequestHandler = async (_request, response) => {
    clientScript ??= readClientScript(consoleFolder).catch((error: unknown) => {
      // The next request tries again.
      clientScript = undefined;
      throw error;
    });
    response
      .type("js")
      .set("Cache-Control", "public, max-age=0")
      .send(await clientScript);
  };

  return express()
    .disable("x-powered-by")
    .use((_request, response, next) => {
      response.set({
        "Content-Security-Policy": CONTENT_SECURITY_POLICY,
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
      });
      next();
    })
    .get([PATHS.health, PATHS.root], health)
    .get("/client.js", forEveryOrigin, client)
    .all(`${PATHS.websocket}{/*channel}`, forEveryOrigin, upgradeRequired)
    .use(api)
    .use(APPLICATION_PATH, ...routes)
    .use(express.static(consoleFolder, { index: false, redirect: false, dotfiles: "ignore" }))
    .use(forEveryOrigin, (_request, response) => {
      response.status(404).type("text").send("Not found");
    })
    .use(fail);
}

/** Pages of other origins import the client, which reads the status of an address that refuses a connection. */
const forEveryOrigin: RequestHandler = (_request, response, next) => {
  response.set("Access-Control-Allow-Origin", "*");
  next();
};

const skip: RequestHandler = (_request, _response, next) => {
  next();
};

/** @see https://www.rfc-editor.org/rfc/rfc9110#section-15.5.22 */
const upgradeRequired: RequestHandler = (request, response, next) => {
  if (!isChannelPath(request.path)) {
    next();
    return;
  }
  response
    .status(426)
    // Node.js keeps the connection open unless this header contains `close`.
    .set({ Upgrade: "websocket", Connection: "Upgrade, close", "Cache-Control": "no-store" })
    .type("text")
    .send("Connect here with a WebSocket");
};

/** Returns the status of an error of express, such as 400 for a malformed path. */
function readStatus(error: unknown): number {
  const status = error instanceof Error && "status" in error ? Number(error.status) : 500;
  return status in STATUS_CODES ? status : 500;
}
