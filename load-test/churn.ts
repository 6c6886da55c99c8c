import type { ConnectionEvents, Target } from "./connection.ts";
import { Opener } from "./opener.ts";
import type { ChurnOptions } from "./options.ts";
import { CATCH_UP_MS, pace } from "./pace.ts";
import type { Progress } from "./progress.ts";
import type { Outcome } from "./report.ts";

/**
 * Opens connections at a steady rate and closes each once it is greeted. A load balancer counts a WebSocket as
 * one request, at its upgrade, so this is the load that makes an autoscaler on the request count act.
 * Connections that are due while `concurrency` are open wait; those still waiting when the pace may no longer catch
 * up are not attempted.
 */
export async function churn(
  { rate, duration, total, concurrency }: ChurnOptions,
  target: Target,
  progress: Progress,
  signal: AbortSignal,
): Promise<Outcome> {
  const planned = Math.min(total, rate * duration);
  const opener = new Opener(target, signal);
  const running = new Set<Promise<void>>();
  let waiting = 0;

  const events: ConnectionEvents = {
    message: () => undefined,
    lost: (failure) => {
      opener.failures.add(failure);
    },
  };
  const attempt = async () => {
    const connection = await opener.open(events);
    if (connection !== undefined) await opener.close(connection);
    progress.update(opener.attempted, opener.failures.total);
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

  progress.begin("connections", planned);
  await pace(
    { rate, count: planned },
    () => {
      waiting++;
      startWaiting();
      return true;
    },
    signal,
  );
  const givesUpAt = performance.now() + CATCH_UP_MS;
  while (waiting > 0 && performance.now() < givesUpAt && !signal.aborted) await Promise.race(running);
  waiting = 0;
  await Promise.all(running);

  return {
    connections: opener.count(planned),
    messages: null,
    deliveries: null,
    failures: opener.failures.list(),
  };
}
