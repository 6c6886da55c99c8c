import { setTimeout as sleep } from "node:timers/promises";

import type { Connection, ConnectionCallbacks, Endpoint } from "./connection.ts";
import { Deliveries } from "./deliveries.ts";
import { isObject, parseObject } from "./json.ts";
import { Opener } from "./opener.ts";
import type { SustainedOptions } from "./options.ts";
import { Failure } from "./parts/failures.ts";
import { LatencyHistogram } from "./parts/histogram.ts";
import { pace } from "./parts/pace.ts";
import type { ModeResult, OnProgress } from "./report.ts";

/** Connections that are opened at the same time, before the messages start. */
const OPENING_CONCURRENCY = 50;

/**
 * Opens all connections (for at most `duration`), and sends messages over them in turn at a steady rate. It then waits up to
 * the timeout until the last message has reached every connection that was open when the message was sent. A lost connection
 * is not replaced.
 * @param run identifies the messages of this run.
 */
export async function sustained(
  { connections, rate, duration, total }: SustainedOptions,
  run: string,
  endpoint: Endpoint,
  onProgress: OnProgress,
  signal: AbortSignal,
): Promise<ModeResult> {
  const planned = Math.min(total, rate * duration);
  const opener = new Opener(endpoint, signal);
  const { failures } = opener;
  const lags = new LatencyHistogram();
  const deliveries = new Deliveries(run);
  const open = new Map<number, Connection>();
  /** The keys of `open` in the order of their turns; `undefined` after a change of `open`. */
  let turns: readonly number[] | undefined;
  let sent = 0;
  /** Set after the last message: called when no delivery is missing. */
  let onFinished: (() => void) | undefined;

  const checkFinished = () => {
    if (deliveries.isComplete || open.size === 0) onFinished?.();
  };
  const callbacksOf = (id: number): ConnectionCallbacks => ({
    onMessage(text) {
      const now = performance.now();
      const frame = parseObject(text);
      if (frame === undefined) return;
      if ("message" in frame) deliveries.receive(id, frame["message"], now);
      else if ("error" in frame) failures.add(new Failure("server", codeOf(frame["error"])));
      checkFinished();
    },
    onLost(failure) {
      open.delete(id);
      turns = undefined;
      failures.add(failure);
      checkFinished();
    },
  });
  const openOne = async (id: number) => {
    const connection = await opener.open(callbacksOf(id));
    if (connection !== undefined) open.set(id, connection);
    onProgress({
      part: "connections",
      done: opener.attempted,
      total: connections,
      failed: failures.total,
    });
  };
  const openAll = async () => {
    const endsAt = performance.now() + duration * 1000;
    let next = 0;
    const openInTurn = async () => {
      while (next < connections && performance.now() < endsAt && !signal.aborted) await openOne(next++);
    };
    await Promise.all(Array.from({ length: OPENING_CONCURRENCY }, openInTurn));
  };
  const sendNext = (sequence: number, dueAt: number): boolean => {
    turns ??= [...open.keys()];
    const sender = turns[sequence % turns.length];
    const connection = sender === undefined ? undefined : open.get(sender);
    if (sender === undefined || connection === undefined) return false;
    connection.send(deliveries.send({ sequence, sender, dueAt }, open.size));
    lags.record(performance.now() - dueAt);
    onProgress({ part: "messages", done: ++sent, total: planned, failed: failures.total });
    return true;
  };
  const waitForDeliveries = async () => {
    const finished = new AbortController();
    onFinished = () => {
      finished.abort();
    };
    checkFinished();
    await sleep(endpoint.timeoutMs, undefined, { signal: finished.signal }).catch(() => undefined);
  };

  await openAll();
  await pace({ rate, count: planned, signal }, sendNext);
  await waitForDeliveries();
  // The Close frame follows all deliveries, so a late duplicate is still counted.
  await Promise.all(Array.from(open.values(), (connection) => opener.close(connection)));

  return {
    connections: opener.count(connections),
    messages: { planned, sent, lagMs: lags.percentiles() },
    deliveries: deliveries.count(),
    failures: failures.list(),
    load: opener.load,
  };
}

function codeOf(error: unknown): string {
  return isObject(error) && typeof error["code"] === "string" ? error["code"] : JSON.stringify(error);
}
