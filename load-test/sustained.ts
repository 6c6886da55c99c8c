import { setTimeout as sleep } from "node:timers/promises";

import { connect, type Connection, type ConnectionEvents, type Target } from "./connection.ts";
import { Deliveries } from "./deliveries.ts";
import { Failure, FailureTally, toFailure } from "./failures.ts";
import { isObject, parseObject } from "./json.ts";
import { Latencies } from "./latencies.ts";
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
  const failures = new FailureTally();
  const connectTimes = new Latencies();
  const lags = new Latencies();
  const deliveries = new Deliveries(run);
  const open = new Map<number, Connection>();
  /** The keys of `open`, in the order of their turns. */
  let turns: number[] = [];
  let attempted = 0;
  let connected = 0;
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
      turns = [...open.keys()];
      failures.add(failure);
      checkFinished();
    },
  });
  const openOne = async (id: number) => {
    attempted++;
    try {
      const connection = await connect(target, eventsOf(id), signal);
      if (connection === undefined) {
        // Cut short by the interrupt, which says nothing about the server.
        attempted--;
        return;
      }
      connected++;
      connectTimes.record(connection.connectMs);
      open.set(id, connection);
    } catch (error) {
      failures.add(toFailure(error));
    }
    progress.update(attempted, failures.total);
  };
  const openAll = async () => {
    const giveUpAt = performance.now() + duration * 1000;
    let next = 0;
    const opener = async () => {
      while (next < connections && performance.now() < giveUpAt && !signal.aborted) await openOne(next++);
    };
    await Promise.all(Array.from({ length: OPENING_CONCURRENCY }, opener));
    turns = [...open.keys()];
  };
  const sendNext = (sequence: number, dueAt: number): boolean => {
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
  const closeOne = async (connection: Connection) => {
    try {
      await connection.close();
    } catch (error) {
      failures.add(toFailure(error));
    }
  };

  progress.begin("connections", connections);
  await openAll();
  progress.begin("messages", planned);
  await pace({ rate, count: planned }, sendNext, signal);
  await allDelivered();
  // The closing handshake is behind everything that the server sent, so a late duplicate is still counted.
  await Promise.all([...open.values()].map(closeOne));

  return {
    connections: { planned: connections, attempted, connected, connectMs: connectTimes.percentiles() },
    messages: { planned, sent, lagMs: lags.percentiles() },
    deliveries: deliveries.count(),
    failures: failures.list(),
  };
}

function codeOf(error: unknown): string {
  return isObject(error) && typeof error["code"] === "string" ? error["code"] : JSON.stringify(error);
}
