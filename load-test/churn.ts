import { connect, type ConnectionEvents, type Target } from "./connection.ts";
import { FailureTally, toFailure } from "./failures.ts";
import { Latencies } from "./latencies.ts";
import type { ChurnOptions } from "./options.ts";
import { pace } from "./pace.ts";
import type { Progress } from "./progress.ts";
import type { Outcome } from "./report.ts";

/**
 * Opens connections at a steady rate and closes each once it is greeted. A load balancer counts a WebSocket as
 * one request, at its upgrade, so this is the load that makes an autoscaler on the request count act.
 * Connections that are due while `concurrency` are open wait; those still waiting at the end are not attempted.
 */
export async function churn(
  { rate, duration, total, concurrency }: ChurnOptions,
  target: Target,
  progress: Progress,
  signal: AbortSignal,
): Promise<Outcome> {
  const planned = Math.min(total, rate * duration);
  const failures = new FailureTally();
  const connectTimes = new Latencies();
  const running = new Set<Promise<void>>();
  let waiting = 0;
  let attempted = 0;
  let connected = 0;

  const events: ConnectionEvents = {
    message: () => undefined,
    lost: (failure) => {
      failures.add(failure);
    },
  };
  const attempt = async () => {
    attempted++;
    try {
      const connection = await connect(target, events, signal);
      if (connection === undefined) {
        // Cut short by the interrupt, which says nothing about the server.
        attempted--;
        return;
      }
      connected++;
      connectTimes.record(connection.connectMs);
      await connection.close();
    } catch (error) {
      failures.add(toFailure(error));
    }
    progress.update(attempted, failures.total);
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
  waiting = 0;
  await Promise.all(running);

  return {
    connections: { planned, attempted, connected, connectMs: connectTimes.percentiles() },
    messages: null,
    deliveries: null,
    failures: failures.list(),
  };
}
