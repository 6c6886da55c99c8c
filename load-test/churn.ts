import { Channels } from "./channels.ts";
import type { Endpoint } from "./connection.ts";
import { isMove, Opener } from "./opener.ts";
import type { ChurnOptions } from "./options.ts";
import type { Failure } from "./parts/failures.ts";
import { CATCH_UP_MS, pace } from "./parts/pace.ts";
import type { ModeResult, OnProgress } from "./report.ts";

/**
 * Opens connections at a steady rate, and closes each when its subscriptions have begun. A load balancer counts a WebSocket as one request at
 * its upgrade, so this load makes an autoscaler act that follows the request count.
 * Connections wait while `concurrency` others are open. Those that still wait at the end are not attempted.
 */
export async function churn(
  options: ChurnOptions,
  endpoint: Endpoint,
  onProgress: OnProgress,
  signal: AbortSignal,
): Promise<ModeResult> {
  const { rate, duration, total, concurrency } = options;
  const channels = new Channels(options);
  const planned = Math.min(total, rate * duration);
  const opener = new Opener(endpoint, signal);
  const running = new Set<Promise<void>>();
  let waiting = 0;

  const addFailure = (failure: Failure) => {
    opener.failures.add(failure);
  };
  const attempt = async () => {
    const positions = new Map(channels.of(opener.attempted).map((channel) => [channel, undefined]));
    const connection = await opener.open(positions, {
      onMessage: () => undefined,
      onGap: () => undefined,
      onError: addFailure,
      onLost: (failure) => {
        if (!isMove(failure)) addFailure(failure);
      },
    });
    if (connection !== undefined) await opener.close(connection);
    onProgress({
      part: "connections",
      done: opener.attempted,
      total: planned,
      failed: opener.failures.total,
    });
  };
  const startWaiting = () => {
    while (waiting > 0 && running.size < concurrency && !signal.aborted) {
      waiting--;
      const attempting = attempt().finally(() => {
        running.delete(attempting);
        startWaiting();
      });
      running.add(attempting);
    }
  };

  await pace({ rate, count: planned, signal }, () => {
    waiting++;
    startWaiting();
    return true;
  });
  const endsAt = performance.now() + CATCH_UP_MS;
  while (waiting > 0 && performance.now() < endsAt && !signal.aborted) await Promise.race(running);
  waiting = 0;
  await Promise.all(running);

  return {
    connections: opener.count(planned),
    messages: null,
    deliveries: null,
    failures: opener.failures.list(),
    load: opener.load,
  };
}
