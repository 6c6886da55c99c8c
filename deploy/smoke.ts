/** The smoke test: a message through the edge and back, and a request that must not bypass the edge. */
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { WebSocket } from "ws";
import { ExpectedError } from "../app/src/settings/expectedError.ts";

/** A channel that only smoke tests use. */
const CHANNEL = "deploy-smoke-test";

const ATTEMPT_TIMEOUT_MS = 10_000;
/** Shorter, because a security group drops requests without an answer. */
const PLAIN_TIMEOUT_MS = 5_000;
const MIN_PAUSE_MS = 1_000;
const MAX_PAUSE_MS = 15_000;
const MOVED_PERMANENTLY = 301;
const FORBIDDEN = 403;
const EXCERPT_CHARACTERS = 60;

export interface SmokeTarget {
  /** For example `wss://d111111abcdef8.cloudfront.net/wss`. */
  readonly websocketUrl: string;
  /** Whether another API answers there. Its messages are unknown, so only the upgrade is tested. */
  readonly isForeign?: boolean;
  /** A second check; none if the load balancer cannot be reached. */
  readonly plainRequest?: PlainRequest;
  /** Bearer token of the connection. */
  readonly token?: string;
}

/** A request that must not reach a task. */
export interface PlainRequest {
  /** For example `http://websocket-123.us-east-1.elb.amazonaws.com`. */
  readonly url: string;
  /** A request that bypasses CloudFront must be refused; one without TLS must be redirected to https. */
  readonly expected: "refused" | "redirected";
}

export interface SmokeOptions {
  /** Limit for all attempts. DNS, CloudFront's locations and new tasks need some minutes. */
  readonly timeoutMs: number;
  /** Called with the reason before another attempt. */
  readonly onRetry?: (reason: string) => void;
}

export interface SmokeResult {
  /** Time from sending a message to receiving it; the time of the upgrade for a foreign API. */
  readonly roundTripMs: number;
  /** How the plain request was answered. */
  readonly plainResult?: string;
}

/**
 * Retries a failed check, except after an ExpectedError: another attempt could not succeed.
 * @throws {Error} with the failed check and the reason.
 */
export async function smoke(target: SmokeTarget, { timeoutMs, onRetry }: SmokeOptions): Promise<SmokeResult> {
  const deadline = performance.now() + timeoutMs;
  const retry = async <T>(what: string, attempt: () => Promise<T>): Promise<T> => {
    for (let pauseMs = MIN_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, MAX_PAUSE_MS)) {
      try {
        return await attempt();
      } catch (error) {
        const reason = `${what}: ${error instanceof Error ? error.message : String(error)}`;
        if (error instanceof ExpectedError || performance.now() + pauseMs > deadline)
          throw new Error(reason, { cause: error });
        onRetry?.(reason);
        await sleep(pauseMs);
      }
    }
  };
  const { websocketUrl, plainRequest, isForeign = false } = target;
  const roundTripMs = await retry(websocketUrl, () =>
    isForeign ? measureUpgrade(target) : measureRoundTrip(target),
  );
  if (plainRequest === undefined) return { roundTripMs };
  const { url, expected } = plainRequest;
  const plainResult = await retry(url, () =>
    expected === "refused" ? expectRefusal(url) : expectRedirect(url),
  );
  return { roundTripMs, plainResult };
}

async function measureUpgrade({ websocketUrl, token }: SmokeTarget): Promise<number> {
  const start = performance.now();
  const socket = new WebSocket(websocketUrl, { handshakeTimeout: ATTEMPT_TIMEOUT_MS, ...headersOf(token) });
  try {
    await Promise.race([failureOf(socket, token), once(socket, "open")]);
    return performance.now() - start;
  } finally {
    socket.terminate();
  }
}

function headersOf(token: string | undefined): { readonly headers?: Readonly<Record<string, string>> } {
  return token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } };
}

async function measureRoundTrip({ websocketUrl, token }: SmokeTarget): Promise<number> {
  const timeout = AbortSignal.timeout(ATTEMPT_TIMEOUT_MS);
  const socket = new WebSocket(`${websocketUrl}/${CHANNEL}`, headersOf(token));
  try {
    const failed = failureOf(socket, token);
    const receive = (matches: (message: unknown) => boolean): Promise<void> =>
      Promise.race([failed, received(socket, matches, timeout)]);
    await receive((message) => has(message, "connection", "ok"));
    const id = crypto.randomUUID();
    const start = performance.now();
    socket.send(JSON.stringify(id));
    await receive((message) => has(message, "message", id));
    return performance.now() - start;
  } finally {
    socket.terminate();
  }
}

/** Rejects if the connection fails or closes. */
function failureOf(socket: WebSocket, token: string | undefined): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  promise.catch(() => undefined);
  socket.on("error", reject);
  socket.on("close", (code) => {
    reject(new Error(`the connection was closed with ${code}`));
  });
  socket.on("unexpected-response", (_request, { statusCode = 0 }) => {
    reject(
      statusCode === 401
        ? new ExpectedError(
            token === undefined
              ? "the upgrade was answered with 401: the stack requires a token, set SMOKE_TOKEN"
              : "the upgrade was answered with 401: the stack rejects the token in SMOKE_TOKEN",
          )
        : new Error(`the upgrade was answered with ${statusCode}`),
    );
  });
  return promise;
}

/** Listens from the time of the call, so that a message that follows the previous one at once is not missed. */
function received(
  socket: WebSocket,
  matches: (message: unknown) => boolean,
  timeout: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    // With the default binaryType, a message is one Buffer.
    socket.on("message", (data: Buffer) => {
      const text = data.toString();
      const message = parseJson(text);
      if (message === undefined)
        reject(
          new Error(`another server answers there: ${JSON.stringify(text.slice(0, EXCERPT_CHARACTERS))}`),
        );
      else if (matches(message)) resolve();
    });
    timeout.addEventListener("abort", () => {
      reject(new Error(`no answer within ${ATTEMPT_TIMEOUT_MS / 1000} s`));
    });
  });
}

/** @returns `undefined` for a text that is not JSON, which the server never sends. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function has(message: unknown, key: string, value: string): boolean {
  return (
    typeof message === "object" &&
    message !== null &&
    (message as Readonly<Record<string, unknown>>)[key] === value
  );
}

/** Codes of a request that the load balancer's security group drops. */
const UNREACHABLE = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ETIMEDOUT",
  "UND_ERR_CONNECT_TIMEOUT",
]);

function request(url: string): Promise<Response> {
  return fetch(url, { redirect: "manual", signal: AbortSignal.timeout(PLAIN_TIMEOUT_MS) });
}

async function expectRedirect(url: string): Promise<string> {
  const { status, headers } = await request(url);
  const location = headers.get("location") ?? "nowhere";
  if (status === MOVED_PERMANENTLY && location.startsWith("https://")) return location;
  throw new Error(
    `a request without TLS was answered with ${status} to ${location}; expected a redirect to https://`,
  );
}

async function expectRefusal(url: string): Promise<string> {
  try {
    const { status } = await request(url);
    if (status === FORBIDDEN) return String(status);
    throw new Error(`a request that bypasses CloudFront was answered with ${status}; expected ${FORBIDDEN}`);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    if (error.name === "TimeoutError") return "no connection";
    const code = (error.cause as { code?: unknown } | undefined)?.code; // undici puts the system's error there.
    if (typeof code === "string" && UNREACHABLE.has(code)) return "no connection";
    throw typeof code === "string" ? new Error(code, { cause: error }) : error;
  }
}
