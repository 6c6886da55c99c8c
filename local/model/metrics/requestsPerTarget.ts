/** The metric `RequestCountPerTarget` of a target group. */

/**
 * The data point of a minute: its requests divided by the targets at its end. `undefined` without a target. It is 0 in a minute
 * without a request, because AWS documents the metric as "always reported".
 * @param requestsBefore requests to all targets up to the start of the minute.
 * @param now requests up to its end, and the targets that get requests.
 * @see https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html
 */
export function requestsPerTarget(
  requestsBefore: number,
  now: { readonly requests: number; readonly usable: number },
): number | undefined {
  return now.usable === 0 ? undefined : (now.requests - requestsBefore) / now.usable;
}
