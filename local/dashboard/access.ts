/** Which requests the dashboard answers. */
import { createHash, timingSafeEqual } from "node:crypto";
import { commandOf } from "../../cli/commandNames.ts";

/** The parts of a request that decide whether it is answered. */
export interface AccessRequest {
  readonly method: string;
  readonly host: string | undefined;
  readonly origin: string | undefined;
  /** The Sec-Fetch-Site header, which browsers set. */
  readonly fetchSite: string | undefined;
  readonly authorization: string | undefined;
  readonly hasBody: boolean;
}

export interface Refusal {
  readonly status: number;
  readonly reason: string;
}

export interface Route {
  /** Sorted. */
  readonly methods: readonly string[];
  /** Whether the request needs the token. The files of the page do not: they contain no data of the stack. */
  readonly needsToken: boolean;
}

/** The names of this machine. Another name can be one of an attacker that resolves to this machine (DNS rebinding). */
const HOST_NAMES = ["localhost", "127.0.0.1", "[::1]"];
/** A page of another site, or of another port of this machine, gets no answer. */
const OWN_FETCH_SITES: readonly (string | undefined)[] = [undefined, "same-origin", "none"];
const SCHEME = "Bearer ";

/**
 * @param route `undefined` if the path has none.
 * @returns why the request is refused; `undefined` if it is answered.
 */
export function refusalOf(
  request: AccessRequest,
  route: Route | undefined,
  { port, token }: { readonly port: number; readonly token: string },
): Refusal | undefined {
  const { method, host, origin, fetchSite, authorization, hasBody } = request;
  const isOwnHost = HOST_NAMES.some((name) => host === `${name}:${port}` || (port === 80 && host === name));
  if (!isOwnHost) return { status: 421, reason: `Expected Host: localhost:${port}` };
  const isOwnOrigin = origin === undefined || origin === `http://${host}`;
  if (!isOwnOrigin || !OWN_FETCH_SITES.includes(fetchSite)) {
    return { status: 403, reason: "Only the dashboard's own page may send this request" };
  }
  if (route === undefined) return { status: 404, reason: "Not found" };
  if (!route.methods.includes(method)) {
    return { status: 405, reason: `Expected ${route.methods.join(", ")}` };
  }
  if (route.needsToken && !isToken(authorization, token)) {
    return {
      status: 401,
      reason: `Open the address that ${commandOf("start")} has printed: it contains the token`,
    };
  }
  if (hasBody) return { status: 413, reason: "Expected no body" };
  return undefined;
}

function isToken(authorization: string | undefined, token: string): boolean {
  if (authorization?.startsWith(SCHEME) !== true) return false;
  // Hashes have one length, so the comparison takes the same time for every value.
  return timingSafeEqual(sha256(authorization.slice(SCHEME.length)), sha256(token));
}

function sha256(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
