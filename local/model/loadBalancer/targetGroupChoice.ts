/**
 * The choice of a target group by a forward action: by weight, or by the cookie of a sticky client.
 * @see https://docs.aws.amazon.com/elasticloadbalancing/latest/application/rule-action-types.html#forward-actions
 */
import type { Headers } from "../headers.ts";
import type { ForwardAction } from "./action.ts";
import { hasCookie, setCookies } from "./stickyCookie.ts";

const COOKIE = "AWSALBTG";

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
  const sticky = targetGroups.find(({ arn }) => hasCookie(headers, COOKIE, arn));
  const chosen = sticky ?? byWeight;
  return chosen && { arn: chosen.arn, responseHeaders: setCookies(COOKIE, chosen.arn, stickySeconds, now) };
}
