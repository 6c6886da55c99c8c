/**
 * The choice of a target group by a forward action: by weight, or by the cookie of a sticky client.
 * @see https://docs.aws.amazon.com/elasticloadbalancing/latest/application/rule-action-types.html#forward-actions
 */
import { type Headers, valuesOf } from "../headers.ts";
import type { ForwardAction } from "./action.ts";

/** The second cookie is for requests of other origins. */
const COOKIE = "AWSALBTG";
const CORS_COOKIE = "AWSALBTGCORS";

export interface TargetGroupChoice {
  readonly arn: string;
  /** The headers that the load balancer adds to the response. */
  readonly responseHeaders: Headers;
}

/**
 * @param random at least 0, and below 1.
 * @param now milliseconds since 1970.
 * @returns `undefined` if the weights of all target groups are 0.
 */
export function chooseTargetGroup(
  { targetGroups, stickySeconds }: ForwardAction,
  headers: Headers,
  random: number,
  now: number,
): TargetGroupChoice | undefined {
  const total = targetGroups.reduce((sum, { weight }) => sum + weight, 0);
  let rest = random * total;
  const byWeight = targetGroups.find(({ weight }) => (rest -= weight) < 0);
  if (stickySeconds === undefined) return byWeight && { arn: byWeight.arn, responseHeaders: [] };
  const cookies = valuesOf(headers, "Cookie").flatMap((value) => value.split(/; */));
  const sticky = targetGroups.find(({ arn }) =>
    [COOKIE, CORS_COOKIE].some((name) => cookies.includes(`${name}=${cookieValue(arn)}`)),
  );
  const chosen = sticky ?? byWeight;
  if (chosen === undefined) return undefined;
  const expires = new Date(now + stickySeconds * 1000).toUTCString();
  const attributes = `${cookieValue(chosen.arn)}; Expires=${expires}; Path=/`;
  return {
    arn: chosen.arn,
    responseHeaders: [
      ["Set-Cookie", `${COOKIE}=${attributes}`],
      ["Set-Cookie", `${CORS_COOKIE}=${attributes}; SameSite=None; Secure`],
    ],
  };
}

/** AWS encrypts the value. */
function cookieValue(arn: string): string {
  return Buffer.from(arn).toString("base64url");
}
