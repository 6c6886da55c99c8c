import { setTimeout as sleep } from "node:timers/promises";

import { Channels } from "./channels.ts";
import type { Connection, ConnectionCallbacks, Endpoint, Positions } from "./connection.ts";
import { Deliveries } from "./deliveries.ts";
import { isMove, Opener } from "./opener.ts";
import type { SustainedOptions } from "./options.ts";
import { LatencyHistogram } from "./parts/histogram.ts";
import { pace } from "./parts/pace.ts";
import type { ModeResult, OnProgress } from "./report.ts";

/** Connections that are opened at the same time, before the messages start. */
const OPENING_CONCURRENCY = 50;

/** Upper bound of the random time before a client follows the server's request to reconnect. */
const MAX_MOVE_DELAY_MS = 1000;

/**
 * Opens all connections (for at most `duration`), and sends messages over them in turn at a steady rate, each to the next
 * channel of its connection. It then waits up to the timeout until the last message has reached every connection that was
 * subscribed to its channel when it was sent. A connection that the server asks to reconnect resumes its channels. Other lost
 * connections are not replaced.
 * @param run identifies the messages of this run.
 */
export async function sustained(
  options: SustainedOptions,
  run: string,
  endpoint: Endpoint,
  onProgress: OnProgress,
  signal: AbortSignal,
): Promise<ModeResult> {
  const { connections, rate, duration, total } = options;
  const channels = new Channels(options);
  const planned = Math.min(total, rate * duration);
  const opener = new Opener(endpoint, signal);
  const { failures } = opener;
  const lags = new LatencyHistogram();
  const deliveries = new Deliveries(run);
  const open = new Map<number, Connection>();
  /** Connections that the server has asked to reconnect. */
  const moving = new Set<Promise<void>>();
  /** By channel, the number of connections that must receive its messages. */
  const subscribers = new Map<string, number>();
  /** The keys of `open` in the order of their turns; `undefined` after a change of `open`. */
  let turns: readonly number[] | undefined;
  let sent = 0;
  /** Set after the last message: called when no delivery is missing. */
  let onFinished: (() => void) | undefined;

  const checkFinished = () => {
    if (deliveries.isComplete || open.size + moving.size === 0) onFinished?.();
  };
  const countSubscriber = (id: number, change: 1 | -1) => {
    for (const channel of channels.of(id)) subscribers.set(channel, (subscribers.get(channel) ?? 0) + change);
  };
  const callbacksOf = (id: number, positions: Positions): ConnectionCallbacks => ({
    onMessage(channel, message, now) {
      deliveries.receive(id, channel, message, now);
      checkFinished();
    },
    onGap(channel) {
      deliveries.gap(channel);
    },
    onError(failure) {
      failures.add(failure);
    },
    onLost(failure) {
      open.delete(id);
      turns = undefined;
      if (isMove(failure) && !signal.aborted) {
        const move = moveOne(id, positions).finally(() => {
          moving.delete(move);
          checkFinished();
        });
        moving.add(move);
      } else {
        failures.add(failure);
        countSubscriber(id, -1);
        checkFinished();
      }
    },
  });
  const openOne = async (id: number) => {
    const positions: Positions = new Map(channels.of(id).map((channel) => [channel, undefined]));
    const connection = await opener.open(positions, callbacksOf(id, positions));
    if (connection !== undefined) {
      open.set(id, connection);
      countSubscriber(id, 1);
    }
    onProgress({
      part: "connections",
      done: opener.attempted,
      total: connections,
      failed: failures.total,
    });
  };
  const moveOne = async (id: number, positions: Positions) => {
    await sleep(Math.random() * MAX_MOVE_DELAY_MS);
    const connection = await opener.move(positions, callbacksOf(id, positions));
    if (connection === undefined) countSubscriber(id, -1);
    else {
      open.set(id, connection);
      turns = undefined;
    }
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
    if (sender === undefined || connection === undefined) return moving.size > 0;
    const channel = channels.next(sender, Math.floor(sequence / turns.length));
    connection.publish(channel, deliveries.send(channel, { sender, dueAt }, subscribers.get(channel) ?? 0));
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
  await Promise.all(moving);
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
