import { setTimeout as sleep } from "node:timers/promises";

import type { Connection, ConnectionEvents, Target } from "./connection.ts";
import { Deliveries } from "./deliveries.ts";
import { Failure } from "./failures.ts";
import { isObject, parseObject } from "./json.ts";
import { Latencies } from "./latencies.ts";
import { Opener } from "./opener.ts";
import type { SustainedOptions } from "./options.ts";
import { pace } from "./pace.ts";
import type { Progress } from "./progress.ts";
import type { Outcome } from "./report.ts";

/** Connections that are being opened at the same time, before the messages start. */
const OPENING_CONCURRENCY = 50;

/**
 * Opens all connections (for at most `duration`), then sends messages over them in turn at a steady rate, and
 * waits up to the target's timeout until the last one has reached every connection that was open when it was
 * sent. A connection that is lost is not replaced.
 */
export async function sustained(
  { connections, rate, duration, total }: SustainedOptions,
  run: string,
  target: Target,
  progress: Progress,
  signal: AbortSignal,
): Promise<Outcome> {
  const planned = Math.min(total, rate * duration);
  const opener = new Opener(target, signal);
  const { failures } = opener;
  const lags = new Latencies();
  const deliveries = new Deliveries(run);
  const open = new Map<number, Connection>();
  /** The keys of `open`, in the order of their turns; `undefined` where they have changed since. */
  let turns: readonly number[] | undefined;
  let sent = 0;
  /** Set once all is sent: called when nothing more is to come. */
  let finished: (() => void) | undefined;

  const checkFinished = () => {
    if (deliveries.complete || open.size === 0) finished?.();
  };
  const eventsOf = (id: number): ConnectionEvents => ({
    message(text) {
      const now = performance.now();
      const frame = parseObject(text);
      if (frame === undefined) return;
      if ("message" in frame) deliveries.receive(id, frame["message"], now);
      else if ("error" in frame) failures.add(new Failure("server", codeOf(frame["error"])));
      checkFinished();
    },
    lost(failure) {
      open.delete(id);
      turns = undefined;
      failures.add(failure);
      checkFinished();
    },
  });
  const openOne = async (id: number) => {
    const connection = await opener.open(eventsOf(id));
    if (connection !== undefined) open.set(id, connection);
    progress.update(opener.attempted, failures.total);
  };
  const openAll = async () => {
    const giveUpAt = performance.now() + duration * 1000;
    let next = 0;
    const openInTurn = async () => {
      while (next < connections && performance.now() < giveUpAt && !signal.aborted) await openOne(next++);
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
    progress.update(++sent, failures.total);
    return true;
  };
  const allDelivered = async () => {
    const waited = new AbortController();
    finished = () => {
      waited.abort();
    };
    checkFinished();
    await sleep(target.timeoutMs, undefined, { signal: waited.signal }).catch(() => undefined);
  };

  progress.begin("connections", connections);
  await openAll();
  progress.begin("messages", planned);
  await pace({ rate, count: planned }, sendNext, signal);
  await allDelivered();
  // The closing handshake is behind everything that the server sent, so a late duplicate is still counted.
  await Promise.all(Array.from(open.values(), (connection) => opener.close(connection)));

  return {
    connections: opener.count(connections),
    messages: { planned, sent, lagMs: lags.percentiles() },
    deliveries: deliveries.count(),
    failures: failures.list(),
  };
}

function codeOf(error: unknown): string {
  return isObject(error) && typeof error["code"] === "string" ? error["code"] : JSON.stringify(error);
}
