/** The metric `RequestCountPerTarget` of a target group. */

/** Requests to all targets so far, and the targets that get requests. */
export interface RequestCounts {
  readonly requests: number;
  /** Healthy targets, or all registered ones if none is healthy. */
  readonly usable: number;
}

/**
 * The data point of a minute: its requests divided by the targets at its end. `undefined` without a target. It is 0 in a minute
 * without a request, because CloudWatch documents the metric as "always reported".
 * @see https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html
 */
export function requestsPerTarget(
  before: Pick<RequestCounts, "requests">,
  now: RequestCounts,
): number | undefined {
  return now.usable === 0 ? undefined : (now.requests - before.requests) / now.usable;
}
