import type { Endpoint } from "./connection.ts";
import { Opener } from "./opener.ts";
import type { ChurnOptions } from "./options.ts";
import { CATCH_UP_MS, pace } from "./parts/pace.ts";
import type { ModeResult, OnProgress } from "./report.ts";

/**
 * Opens connections at a steady rate, and closes each after its greeting. A load balancer counts a WebSocket as one request at
 * its upgrade, so this load makes an autoscaler act that follows the request count.
 * Connections wait while `concurrency` others are open. Those that still wait at the end are not attempted.
 */
export async function churn(
  { rate, duration, total, concurrency }: ChurnOptions,
  endpoint: Endpoint,
  onProgress: OnProgress,
  signal: AbortSignal,
): Promise<ModeResult> {
  const planned = Math.min(total, rate * duration);
  const opener = new Opener(endpoint, signal);
  const running = new Set<Promise<void>>();
  let waiting = 0;

  const attempt = async () => {
    const connection = await opener.open({
      onMessage: () => undefined,
      onLost: (failure) => {
        opener.failures.add(failure);
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
