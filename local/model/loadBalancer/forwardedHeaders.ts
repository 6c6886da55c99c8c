/** The headers that a load balancer sends to a target. */
import { isIPv6 } from "node:net";
import { type Headers, valuesOf, withAppended, withHeader, without } from "../headers.ts";
import { hostName } from "../requestTarget.ts";
import type { DeclaredListener } from "./listener.ts";
import type { DeclaredLoadBalancer } from "./loadBalancer.ts";

/** "Each name consists of alphanumeric characters or hyphens": routing.http.drop_invalid_header_fields.enabled. */
const VALID_HEADER_NAME = /^[-A-Za-z0-9]+$/;

const DEFAULT_PORTS: readonly number[] = [80, 443];

/** If the headers are longer, the load balancer replaces X-Amzn-Trace-Id. */
const MAX_TRACED_HEADERS_BYTES = 7 * 1024;

/** What a load balancer has seen of a request, besides its headers. */
export interface RequestOrigin {
  readonly peerAddress: string;
  readonly peerPort: number;
  /** Seconds since 1970. */
  readonly receivedAtSeconds: number;
  /** 24 hexadecimal digits that no other request has. */
  readonly traceId: string;
}

/**
 * The headers that the target receives.
 * @param headers the end-to-end headers of the request.
 * @see https://docs.aws.amazon.com/elasticloadbalancing/latest/application/x-forwarded-headers.html
 */
export function forwardedHeaders(
  loadBalancer: DeclaredLoadBalancer,
  listener: Pick<DeclaredListener, "protocol" | "port">,
  headers: Headers,
  origin: RequestOrigin,
): Headers {
  // The load balancer answers `Expect: 100-continue` itself.
  const passed = without(validHeaders(loadBalancer, headers), "Expect");
  const stated = withHeader(
    withHeader(
      withHeader(passed, "X-Forwarded-Proto", listener.protocol.toLowerCase()),
      "X-Forwarded-Port",
      String(listener.port),
    ),
    "X-Amzn-Trace-Id",
    traceHeader(headers, origin),
  );
  return withForwardedFor(loadBalancer, withHost(loadBalancer, listener, stated), origin);
}

/** The headers of a request without those that the load balancer drops, if it does. */
export function validHeaders({ dropInvalidHeaderFields }: DeclaredLoadBalancer, headers: Headers): Headers {
  return dropInvalidHeaderFields ? headers.filter(([name]) => VALID_HEADER_NAME.test(name)) : headers;
}

function withForwardedFor(
  { xffHeaderProcessingMode, xffClientPort }: DeclaredLoadBalancer,
  headers: Headers,
  { peerAddress, peerPort }: RequestOrigin,
): Headers {
  switch (xffHeaderProcessingMode) {
    case "append": {
      const withPort = isIPv6(peerAddress) ? `[${peerAddress}]:${peerPort}` : `${peerAddress}:${peerPort}`;
      return withAppended(headers, "X-Forwarded-For", xffClientPort ? withPort : peerAddress);
    }
    case "preserve":
      return headers;
    case "remove":
      return without(headers, "X-Forwarded-For");
  }
}

/** @see https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-load-balancer-attributes.html#host-header-preservation */
function withHost(
  { preserveHostHeader, dnsName }: DeclaredLoadBalancer,
  { port }: Pick<DeclaredListener, "port">,
  headers: Headers,
): Headers {
  const [host] = valuesOf(headers, "host");
  // HTTP/1.0 has requests without a host.
  if (host === undefined) return withHeader(headers, "Host", dnsName);
  if (preserveHostHeader) return headers;
  const name = hostName(host);
  const hasPort = name !== host;
  const sent = DEFAULT_PORTS.includes(port) ? name : hasPort ? host : `${name}:${port}`;
  return withHeader(headers, "Host", sent.toLowerCase());
}

/** @see https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-request-tracing.html */
function traceHeader(headers: Headers, { receivedAtSeconds, traceId }: RequestOrigin): string {
  const id = `1-${receivedAtSeconds.toString(16).padStart(8, "0")}-${traceId}`;
  const isLong = headers.map((field) => field.join(": ")).join("\r\n").length > MAX_TRACED_HEADERS_BYTES;
  const received = isLong ? [] : valuesOf(headers, "X-Amzn-Trace-Id").flatMap((value) => value.split(";"));
  const fields = received.map((field) => field.trim()).filter((field) => field !== "");
  const isTraced = fields.some((field) => field.startsWith("Root=") || field.startsWith("Self="));
  return [
    `${isTraced ? "Self" : "Root"}=${id}`,
    ...fields.filter((field) => !field.startsWith("Self=")),
  ].join(";");
}
