/** The dashboard: a page on the loopback address that shows a running stack and applies faults to it. */
import { randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { ExpectedError } from "../../app/src/settings/expectedError.ts";
import { splitTarget } from "../model/requestTarget.ts";
import {
  type ListeningServer,
  type ListenPort,
  listenOnLocalhost,
  type PortAddress,
} from "../runtime/network/listen.ts";
import { type AccessRequest, type Refusal, refusalOf, type Route } from "./access.ts";
import type { History } from "./history.ts";
import { type PageFile, readPageFiles } from "./pageFiles.ts";
import type { DashboardStack } from "./snapshot.ts";
import { createViewers } from "./viewers.ts";

const TOKEN_BYTES = 24;

const LIMITS = {
  maxConnections: 64,
  maxRequestsPerConnection: 200,
  maxHeaderBytes: 8 * 1024,
  headersTimeoutMs: 5000,
  requestTimeoutMs: 10_000,
  keepAliveTimeoutMs: 10_000,
  timeoutCheckMs: 1000,
} as const;

/** The page loads its own files only, and no page can embed it. */
const HEADERS = {
  "Content-Security-Policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Referrer-Policy": "no-referrer",
  "X-Content-Type-Options": "nosniff",
  "Cache-Control": "no-store",
} as const;

const FILE_ROUTE: Route = { methods: ["GET", "HEAD"], needsToken: false };
const STREAM_PATH = "/snapshots";
const FAULT_PATH = /^\/faults\/([a-z-]{1,50})$/;

export interface Dashboard {
  /** The address with the token, which gives access to everything. */
  readonly url: string;
  /** Idempotent. */
  close(): Promise<void>;
}

export interface DashboardOptions {
  readonly stack: DashboardStack;
  /** The caller adds every event. */
  readonly history: History;
  /** The first port that is free is used. */
  readonly ports: readonly [ListenPort, ...ListenPort[]];
}

/** @throws {ExpectedError} if every port is taken. */
export async function startDashboard({ stack, history, ports }: DashboardOptions): Promise<Dashboard> {
  const token = randomBytes(TOKEN_BYTES).toString("base64url");
  const files = await readPageFiles();
  const viewers = createViewers(stack, history);
  let port = 0;

  function answer(request: IncomingMessage, response: ServerResponse): void {
    const { path: pathname, query } = splitTarget(request.url ?? "/");
    const file = files.get(pathname);
    const route = file === undefined ? routeOf(pathname) : FILE_ROUTE;
    const refusal = refusalOf(accessRequestOf(request), route, { port, token });
    const [, fault] = FAULT_PATH.exec(pathname) ?? [];
    if (refusal !== undefined) refuse(response, refusal);
    else if (file !== undefined) sendFile(response, request.method === "HEAD", file);
    else if (fault !== undefined) changeFault(request, response, fault, query);
    else openStream(response);
  }

  function openStream(response: ServerResponse): void {
    response.setHeader("Content-Type", "application/x-ndjson");
    if (!viewers.add(response)) refuse(response, { status: 503, reason: "Too many pages are open" });
  }

  function changeFault(
    request: IncomingMessage,
    response: ServerResponse,
    fault: string,
    query: string,
  ): void {
    const task = new URLSearchParams(query).get("task") ?? undefined;
    try {
      if (request.method === "DELETE") stack.faults.end(fault, task);
      else stack.faults.apply(fault, task);
    } catch (error) {
      if (!(error instanceof ExpectedError)) throw error;
      refuse(response, { status: 409, reason: error.message });
      return;
    }
    response.writeHead(204).end();
  }

  function createHttpServer(): Server {
    const server = createServer(
      {
        maxHeaderSize: LIMITS.maxHeaderBytes,
        headersTimeout: LIMITS.headersTimeoutMs,
        requestTimeout: LIMITS.requestTimeoutMs,
        keepAliveTimeout: LIMITS.keepAliveTimeoutMs,
        connectionsCheckingInterval: LIMITS.timeoutCheckMs,
      },
      (request, response) => {
        for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
        answer(request, response);
      },
    );
    server.maxConnections = LIMITS.maxConnections;
    server.maxRequestsPerSocket = LIMITS.maxRequestsPerConnection;
    return server;
  }

  const listening = await listenOnFirst(createHttpServer, ports);
  ({ port } = listening.address);
  return {
    // A browser does not send the part after "#" to any server.
    url: `http://localhost:${port}/#${token}`,
    async close() {
      viewers.close();
      await listening.close();
    },
  };
}

function routeOf(pathname: string): Route | undefined {
  if (pathname === STREAM_PATH) return { methods: ["GET"], needsToken: true };
  if (FAULT_PATH.test(pathname)) return { methods: ["DELETE", "POST"], needsToken: true };
  return undefined;
}

function sendFile(response: ServerResponse, isHead: boolean, { type, content }: PageFile): void {
  response.writeHead(200, { "Content-Type": type, "Content-Length": content.length });
  response.end(isHead ? undefined : content);
}

function refuse(response: ServerResponse, { status, reason }: Refusal): void {
  // The connection closes, because the rest of the request is not read.
  response.writeHead(status, { "Content-Type": "text/plain; charset=utf-8", Connection: "close" });
  response.end(`${reason}\n`);
}

function accessRequestOf({ method = "", headers }: IncomingMessage): AccessRequest {
  const fetchSite = headers["sec-fetch-site"];
  return {
    method,
    host: headers.host,
    origin: headers.origin,
    fetchSite: Array.isArray(fetchSite) ? fetchSite.join() : fetchSite,
    authorization: headers.authorization,
    hasBody: headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0,
  };
}

/** Listens on the first port that is free. */
async function listenOnFirst(
  createHttpServer: () => Server,
  [first, ...others]: DashboardOptions["ports"],
): Promise<ListeningServer<PortAddress>> {
  try {
    return await listenOnLocalhost(createHttpServer, first);
  } catch (error) {
    const [next, ...rest] = others;
    if (!(error instanceof ExpectedError) || next === undefined) throw error;
    return listenOnFirst(createHttpServer, [next, ...rest]);
  }
}
