/** Proves that a deployment works: through the edge there and back, and no way around it. */
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { WebSocket } from "ws";

/** A channel that nobody else listens to. */
const CHANNEL = "deploy-smoke-test";

/** Until one attempt is given up. */
const ATTEMPT_TIMEOUT_MS = 10_000;
/** A security group that lets nobody in answers nothing at all. */
const DIRECT_TIMEOUT_MS = 5_000;
/** HTTP: moved permanently. */
const MOVED = 301;
/** Of an answer that nobody expected. */
const QUOTED_CHARACTERS = 60;
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 15_000;

export interface SmokeTarget {
  /** Such as `wss://d111111abcdef8.cloudfront.net/wss`. */
  readonly websocketUrl: string;
  /** Whether somebody else's API answers there, of which nothing is known but that it takes WebSockets. */
  readonly foreign?: boolean;
  /** Where a client has no business, and what has to become of it; absent where there is no such place. */
  readonly aside?: Aside;
  /** Token to connect with. */
  readonly token?: string;
}

export interface Aside {
  /** Such as `http://websocket-123.us-east-1.elb.amazonaws.com`. */
  readonly url: string;
  /** A way around CloudFront is refused, and one without TLS leads to that with it. */
  readonly must: "be refused" | "be redirected";
}

export interface SmokeOptions {
  /** Until all must have worked. DNS, CloudFront's locations and new tasks need some minutes. */
  readonly timeoutMs: number;
  /** Called with the reason before another attempt. */
  readonly onRetry?: (reason: string) => void;
}

export interface SmokeResult {
  /** From sending a message until it came back; of a foreign API, until it has taken the WebSocket. */
  readonly roundTripMs: number;
  /** What became of the request aside, where there was one. */
  readonly aside?: string;
}

/** It does not work, and waiting would not help. */
class FinalError extends Error {}

/** @throws {Error} saying which part does not work, and why. */
export async function smoke(target: SmokeTarget, { timeoutMs, onRetry }: SmokeOptions): Promise<SmokeResult> {
  const deadline = performance.now() + timeoutMs;
  const patiently = async <T>(what: string, attempt: () => Promise<T>): Promise<T> => {
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
      try {
        return await attempt();
      } catch (error) {
        const reason = `${what}: ${error instanceof Error ? error.message : String(error)}`;
        if (error instanceof FinalError || performance.now() + pauseMs > deadline)
          throw new Error(reason, { cause: error });
        onRetry?.(reason);
        await sleep(pauseMs);
      }
    }
  };
  const { websocketUrl, aside, foreign = false } = target;
  const roundTripMs = await patiently(websocketUrl, () => (foreign ? opening(target) : roundTrip(target)));
  if (aside === undefined) return { roundTripMs };
  const became = await patiently(aside.url, () =>
    aside.must === "be refused" ? directRequest(aside.url) : plainRequest(aside.url),
  );
  return { roundTripMs, aside: became };
}

async function opening({ websocketUrl, token }: SmokeTarget): Promise<number> {
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

async function roundTrip({ websocketUrl, token }: SmokeTarget): Promise<number> {
  const giveUp = AbortSignal.timeout(ATTEMPT_TIMEOUT_MS);
  const socket = new WebSocket(`${websocketUrl}/${CHANNEL}`, headersOf(token));
  try {
    const failed = failureOf(socket, token);
    const until = (matches: (message: unknown) => boolean): Promise<void> =>
      Promise.race([failed, received(socket, matches, giveUp)]);
    // The greeting follows the upgrade at once, so it is listened for before.
    await until((message) => has(message, "connection", "ok"));
    const ours = crypto.randomUUID();
    const start = performance.now();
    socket.send(JSON.stringify(ours));
    await until((message) => has(message, "message", ours));
    return performance.now() - start;
  } finally {
    socket.terminate();
  }
}

/** Rejects when the connection fails or ends. */
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
        ? new FinalError(
            token === undefined
              ? "the upgrade was answered with 401: the stack asks for a token, put one into SMOKE_TOKEN"
              : "the upgrade was answered with 401: the token in SMOKE_TOKEN is not accepted",
          )
        : new Error(`the upgrade was answered with ${statusCode}`),
    );
  });
  return promise;
}

/** Listens from the moment of the call: what arrives together with something else is not missed. */
function received(
  socket: WebSocket,
  matches: (message: unknown) => boolean,
  giveUp: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    // The default binaryType delivers one Buffer.
    socket.on("message", (data: Buffer) => {
      const text = data.toString();
      const message = parsed(text);
      if (message === undefined)
        reject(new Error(`another server answers: ${JSON.stringify(text.slice(0, QUOTED_CHARACTERS))}`));
      else if (matches(message)) resolve();
    });
    giveUp.addEventListener("abort", () => {
      reject(new Error(`no answer within ${ATTEMPT_TIMEOUT_MS / 1000} s`));
    });
  });
}

/** @returns `undefined` for what is no JSON; the server sends nothing else. */
function parsed(text: string): unknown {
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

/** What says that the load balancer's security group let nobody in; anything but an answer is welcome here. */
const UNREACHABLE = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ETIMEDOUT",
  "UND_ERR_CONNECT_TIMEOUT",
]);

async function plainRequest(url: string): Promise<string> {
  const { status, headers } = await fetch(url, {
    redirect: "manual",
    signal: AbortSignal.timeout(DIRECT_TIMEOUT_MS),
  });
  const location = headers.get("location") ?? "nowhere";
  if (status === MOVED && location.startsWith("https://")) return location;
  throw new Error(
    `a request without TLS was answered with ${status} to ${location}, and must lead to https://`,
  );
}

async function directRequest(url: string): Promise<string> {
  try {
    const { status } = await fetch(url, {
      redirect: "manual",
      signal: AbortSignal.timeout(DIRECT_TIMEOUT_MS),
    });
    if (status === 403) return "403";
    throw new Error(`a request around CloudFront was answered with ${status}, and must be refused with 403`);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    if (error.name === "TimeoutError") return "no connection at all";
    const code = (error.cause as { code?: unknown } | undefined)?.code; // undici puts the system's error there.
    if (typeof code === "string" && UNREACHABLE.has(code)) return "no connection at all";
    throw typeof code === "string" ? new Error(code, { cause: error }) : error;
  }
}
