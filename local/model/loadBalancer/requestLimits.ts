/** Requests that a load balancer refuses before it applies its rules. */
import { type Headers, valuesOf } from "../headers.ts";

/** @see https://docs.aws.amazon.com/elasticloadbalancing/latest/userguide/how-elastic-load-balancing-works.html#http-header-limits */
export const HEADER_LIMITS = {
  maxRequestLineBytes: 16 * 1024,
  maxHeaderBytes: 16 * 1024,
  maxRequestHeadBytes: 64 * 1024,
  maxResponseHeadBytes: 32 * 1024,
} as const;

const MAX_FORWARDED_ADDRESSES = 30;

const TRANSFER_CODINGS = ["chunked", "identity"];

interface ReceivedRequest {
  /** Such as `1.1`. */
  readonly httpVersion: string;
  readonly method: string;
  /** Path and query, as the client sent them. */
  readonly target: string;
  readonly headers: Headers;
}

/**
 * The status with which a load balancer refuses a request; `undefined` if it accepts the request.
 * @see https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-troubleshooting.html#load-balancer-http-error-codes
 */
export function refusalStatus({ httpVersion, method, target, headers }: ReceivedRequest): number | undefined {
  if (`${method} ${target} HTTP/1.1`.length > HEADER_LIMITS.maxRequestLineBytes) return 414;
  if (headers.some(([name, value]) => `${name}: ${value}`.length > HEADER_LIMITS.maxHeaderBytes)) return 400;
  if (httpVersion !== "1.0" && valuesOf(headers, "Host").length === 0) return 400;
  if (method === "TRACE") return 405;
  if (
    itemsOf(headers, "Transfer-Encoding").some((coding) => !TRANSFER_CODINGS.includes(coding.toLowerCase()))
  )
    return 501;
  if (itemsOf(headers, "X-Forwarded-For").length > MAX_FORWARDED_ADDRESSES) return 463;
  return undefined;
}

/** The items of a header's comma-separated lists. */
function itemsOf(headers: Headers, name: string): readonly string[] {
  return valuesOf(headers, name)
    .flatMap((value) => value.split(","))
    .map((item) => item.trim())
    .filter((item) => item !== "");
}
