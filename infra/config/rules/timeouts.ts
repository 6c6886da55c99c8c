/** The chain of timeouts: each must end before the next one does. The configuration and the policy pack check it. */

import { CLOUDFRONT_IDLE_SECONDS, EXIT_GRACE_SECONDS } from "../../../app/src/settings/contract.ts";
import type { Problem } from "../../../app/src/settings/problem.ts";

/** The timeouts of a stack, in seconds. */
export interface Timeouts {
  /** Interval of the server's pings. */
  readonly heartbeatSeconds: number;
  /** Time without data after which the load balancer closes a connection. */
  readonly idleTimeoutSeconds: number;
  /** Time for connections to close after SIGTERM. */
  readonly drainSeconds: number;
  /** Time between SIGTERM and SIGKILL. */
  readonly stopTimeoutSeconds: number;
}

/**
 * Returns a problem for each timeout that does not end before the next one. Its fix sets a value that does.
 * @param keyOf the key under which the user sets a timeout; by default its name.
 */
export function checkTimeouts(
  { heartbeatSeconds, idleTimeoutSeconds, drainSeconds, stopTimeoutSeconds }: Timeouts,
  keyOf: (name: keyof Timeouts) => string = (name) => name,
): readonly Problem[] {
  const problems: Problem[] = [];
  const report = (name: keyof Timeouts, got: number, expected: string, value: number): void => {
    const key = keyOf(name);
    problems.push({ key, got: String(got), expected, fix: [{ set: key, to: String(value) }] });
  };

  if (heartbeatSeconds >= CLOUDFRONT_IDLE_SECONDS) {
    report(
      "heartbeatSeconds",
      heartbeatSeconds,
      `less than CloudFront's idle limit (${CLOUDFRONT_IDLE_SECONDS})`,
      CLOUDFRONT_IDLE_SECONDS / 2,
    );
  }
  if (heartbeatSeconds >= idleTimeoutSeconds) {
    report(
      "idleTimeoutSeconds",
      idleTimeoutSeconds,
      `more than ${keyOf("heartbeatSeconds")} (${heartbeatSeconds})`,
      heartbeatSeconds * 2,
    );
  }
  if (drainSeconds + EXIT_GRACE_SECONDS >= stopTimeoutSeconds) {
    report(
      "stopTimeoutSeconds",
      stopTimeoutSeconds,
      `more than ${EXIT_GRACE_SECONDS} above ${keyOf("drainSeconds")} (${drainSeconds})`,
      drainSeconds + EXIT_GRACE_SECONDS + 1,
    );
  }
  return problems;
}
