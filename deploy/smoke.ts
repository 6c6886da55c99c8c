/** Proves that a deployment works: through the edge there and back, and no way around it. */
import { setTimeout as sleep } from "node:timers/promises";
import { WebSocket } from "ws";

/** A channel that nobody else listens to. */
const CHANNEL = "deploy-smoke-test";

/** Until one attempt is given up. */
const ATTEMPT_TIMEOUT_MS = 10_000;
/** A security group that lets nobody in answers nothing at all. */
const DIRECT_TIMEOUT_MS = 5_000;
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 15_000;

export interface SmokeTarget {
  /** Such as `wss://d111111abcdef8.cloudfront.net/wss`. */
  readonly websocketUrl: string;
  /** Such as `http://websocket-123.us-east-1.elb.amazonaws.com`. */
  readonly loadBalancerUrl: string;
  /** Token to connect with. */
  readonly token?: string;
}

export interface SmokeOptions {
  /** Until all must have worked. DNS, CloudFront's locations and new tasks need some minutes. */
  readonly timeoutMs: number;
  /** Called with the reason before another attempt. */
  readonly onRetry?: (reason: string) => void;
}

export interface SmokeResult {
  /** From sending a message until it came back. */
  readonly roundTripMs: number;
  /** How the load balancer refused a direct request. */
  readonly refusal: string;
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
  const roundTripMs = await patiently(target.websocketUrl, () => roundTrip(target));
  const refusal = await patiently(target.loadBalancerUrl, () => directRequest(target.loadBalancerUrl));
  return { roundTripMs, refusal };
}

async function roundTrip({ websocketUrl, token }: SmokeTarget): Promise<number> {
  const giveUp = AbortSignal.timeout(ATTEMPT_TIMEOUT_MS);
  const socket = new WebSocket(`${websocketUrl}/${CHANNEL}`, {
    ...(token !== undefined && { headers: { authorization: `Bearer ${token}` } }),
  });
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
      if (matches(JSON.parse(data.toString()))) resolve();
    });
    giveUp.addEventListener("abort", () => {
      reject(new Error(`no answer within ${ATTEMPT_TIMEOUT_MS / 1000} s`));
    });
  });
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
