/**
 * The chain of timeouts: each must end before the next one cuts in. The configuration is checked with it, and a
 * test checks the declared graph with it.
 */

import { CLOUDFRONT_IDLE_SECONDS, EXIT_GRACE_SECONDS } from "../../app/src/settings/settings.ts";

export interface Timeouts {
  /** Interval of the server's pings. */
  readonly heartbeatSeconds: number;
  /** Silence after which the load balancer cuts a connection. */
  readonly idleTimeoutSeconds: number;
  /** Time that connections get to close after SIGTERM. */
  readonly drainSeconds: number;
  /** Time between SIGTERM and SIGKILL. */
  readonly stopTimeoutSeconds: number;
}

export interface BrokenLink {
  /** The timeout that should change. */
  readonly name: keyof Timeouts;
  /** A clause that follows the name, with a full stop. */
  readonly message: string;
  /** A value that mends the chain. */
  readonly value: number;
}

/** Every link of the chain that does not hold. */
export function brokenLinks(timeouts: Timeouts): readonly BrokenLink[] {
  const { heartbeatSeconds, idleTimeoutSeconds, drainSeconds, stopTimeoutSeconds } = timeouts;
  const broken: BrokenLink[] = [];

  if (heartbeatSeconds >= CLOUDFRONT_IDLE_SECONDS) {
    broken.push({
      name: "heartbeatSeconds",
      message: `is ${heartbeatSeconds}, and must be below CloudFront's idle limit, ${CLOUDFRONT_IDLE_SECONDS}.`,
      value: CLOUDFRONT_IDLE_SECONDS / 2,
    });
  }
  if (heartbeatSeconds >= idleTimeoutSeconds) {
    broken.push({
      name: "idleTimeoutSeconds",
      message: `is ${idleTimeoutSeconds}, and must be above heartbeatSeconds, which is ${heartbeatSeconds}.`,
      value: heartbeatSeconds * 2,
    });
  }
  if (drainSeconds + EXIT_GRACE_SECONDS >= stopTimeoutSeconds) {
    broken.push({
      name: "stopTimeoutSeconds",
      message:
        `is ${stopTimeoutSeconds}, and must be more than ${EXIT_GRACE_SECONDS} above drainSeconds, ` +
        `which is ${drainSeconds}.`,
      value: drainSeconds + EXIT_GRACE_SECONDS + 1,
    });
  }
  return broken;
}
