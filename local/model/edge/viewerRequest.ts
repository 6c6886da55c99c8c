/** Viewer requests that CloudFront refuses before it applies its cache behaviors. */
import { type Headers, valuesOf } from "../headers.ts";

/** @see https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/cloudfront-limits.html#limits-general */
export const REQUEST_LIMITS = { maxUrlBytes: 8192, maxRequestBytes: 32_768 } as const;

interface ReceivedRequest {
  readonly secure: boolean;
  readonly method: string;
  /** Path and query, as the viewer sent them. */
  readonly target: string;
  readonly headers: Headers;
}

export interface Refusal {
  readonly status: number;
  readonly reason: string;
}

/**
 * @returns `undefined` if CloudFront accepts the request.
 * @see https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/RequestAndResponseBehaviorCustomOrigin.html
 */
export function refuseViewerRequest({
  secure,
  method,
  target,
  headers,
}: ReceivedRequest): Refusal | undefined {
  const [host] = valuesOf(headers, "Host");
  if (host === undefined) return { status: 400, reason: "The request has no Host header." };
  if (`${secure ? "https" : "http"}://${host}${target}`.length > REQUEST_LIMITS.maxUrlBytes) {
    return { status: 413, reason: `The URL has more than ${REQUEST_LIMITS.maxUrlBytes} bytes.` };
  }
  if (method === "GET" && hasBody(headers)) {
    return { status: 403, reason: "A GET request must not have a body." };
  }
  return undefined;
}

function hasBody(headers: Headers): boolean {
  return (
    valuesOf(headers, "Transfer-Encoding").length > 0 ||
    valuesOf(headers, "Content-Length").some((length) => Number(length) > 0)
  );
}
