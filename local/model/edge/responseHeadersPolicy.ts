/** Response headers policies: the headers that CloudFront adds to the response of an origin. */
import type { FieldReader } from "../fieldReader.ts";
import { type Headers, valuesOf, withHeader } from "../headers.ts";

interface PolicyHeader {
  readonly name: string;
  readonly value: string;
  /** Whether it replaces a header of the origin that has the same name. */
  readonly override: boolean;
}

export type DeclaredResponseHeadersPolicy = readonly PolicyHeader[];

/**
 * Managed policies.
 * @see https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-managed-response-headers-policies.html
 */
const MANAGED: Readonly<Record<string, DeclaredResponseHeadersPolicy>> = {
  // SecurityHeadersPolicy, without Strict-Transport-Security: it would apply to every port of localhost, for a year.
  "67f7725c-6f97-4210-82d7-5512b31e9d03": [
    { name: "Referrer-Policy", value: "strict-origin-when-cross-origin", override: false },
    { name: "X-Content-Type-Options", value: "nosniff", override: true },
    { name: "X-Frame-Options", value: "SAMEORIGIN", override: false },
    { name: "X-XSS-Protection", value: "1; mode=block", override: false },
  ],
};

/** @throws {ExpectedError} if the policy is none of {@link MANAGED}. */
export function readResponseHeadersPolicy(behavior: FieldReader): DeclaredResponseHeadersPolicy {
  if (!behavior.has("responseHeadersPolicyId")) return [];
  const policy = MANAGED[behavior.text("responseHeadersPolicyId")];
  if (policy === undefined) {
    throw behavior.unsupportedError("responseHeadersPolicyId", "the managed policy SecurityHeadersPolicy");
  }
  return policy;
}

/** The headers that the viewer receives. */
export function applyResponseHeaders(policy: DeclaredResponseHeadersPolicy, headers: Headers): Headers {
  return policy.reduce(
    (fields, { name, value, override }) =>
      override || valuesOf(fields, name).length === 0 ? withHeader(fields, name, value) : fields,
    headers,
  );
}
