import { setTimeout as sleep } from "node:timers/promises";

import { LatencyHistogram } from "../../../load-test/parts/histogram.ts";
import { pace as paceEvents } from "../../../load-test/parts/pace.ts";
import { answerHeartbeat } from "../client.ts";
import { openClients } from "../clients.ts";
import { cpuSeconds, difference, ownCpuSeconds, residentBytes } from "../processes.ts";
import { PROTOCOLS } from "../protocols.ts";
import type { Position } from "../protocols.ts";
import { NotSustainedError, VoidError } from "../received.ts";
import type { LoadFigures, LoadRun, RunTarget } from "../runs.ts";
import { createTemplate } from "./template.ts";
import type { Numbered } from "./template.ts";
import { Receiver, Verifier } from "./verifier.ts";

const HANDSHAKES_AT_ONCE = 128;
/** Maximum messages in flight of a publisher in an open loop: more than two seconds at the highest rate. */
const OPEN_LOOP_WINDOW = 4096;
/** Without a delivery for this time, messages in flight are lost. */
const STALL_MS = 8000;
/** A server that delivers a smaller fraction of the due messages does not keep up. */
const SUSTAINED_FRACTION = 0.98;
/** In a short measurement, the messages of a pause of either process may be missing. */
const PAUSE_MS = 50;
/** The generator has a CPU to itself, and a timer may be late by a millisecond. */
const SPIN_MS = 2;
/** Limit for the messages in flight at the end. */
const CATCH_UP_MS = 15_000;
const WATCH_MS = 250;

/**
 * Sends messages in a closed or an open loop, and measures CPU time, memory and latency.
 * @throws {VoidError} if the server lost, repeated or altered a message.
 * @throws {NotSustainedError} if the server did not keep up with the rate.
 */
export async function runLoad(run: LoadRun, target: RunTarget): Promise<LoadFigures> {
  const { clients: count, publishers, pace, warmSeconds, seconds } = run;
  const protocol = PROTOCOLS[target.protocol];
  const closedLoop = "inFlight" in pace;
  const failure = Promise.withResolvers<never>();
  const over = new AbortController();
  const histogram = new LatencyHistogram();
  /** Called when every sent message has reached every receiver; set after the last message. */
  let onComplete: (() => void) | undefined;
  const sent = new AbortController();
  let watch: NodeJS.Timeout | undefined;
  /** Messages that are due within it count for the latency, also if they arrive later. In milliseconds. */
  const window = { from: Infinity, to: Infinity };
  let deliveries = 0;
  let readAt = 0;
  const template = createTemplate(protocol, run.messageBytes);
  let position: Position | undefined;
  let acknowledgements: Numbered | undefined;

  const verifier = new Verifier({
    template,
    hasAcknowledgements: protocol.acknowledgement !== undefined,
    receivers: count,
    publishers,
    window: closedLoop ? pace.inFlight : OPEN_LOOP_WINDOW,
    onDelivery(dueAt) {
      deliveries++;
      if (dueAt >= window.from && dueAt < window.to) histogram.record(readAt - dueAt);
    },
    onComplete(publisher) {
      if (closedLoop && !sent.signal.aborted) publish(publisher, readAt);
      else if (verifier.completed === verifier.published) onComplete?.();
    },
  });

  const receivers = Array.from({ length: count }, () => new Receiver());
  const clients = openClients({
    target,
    count: count + (run.idleReader ? 1 : 0),
    concurrency: HANDSHAKES_AT_ONCE,
    onSubscribed(_index, _channel, at) {
      if (position !== undefined && (position.epoch !== at.epoch || position.offset !== at.offset))
        throw new VoidError("two subscriptions have different positions");
      position = at;
    },
    onBytes(index, bytes) {
      const receiver = receivers[index];
      if (receiver === undefined) return;
      readAt = performance.now();
      verifier.receive(receiver, bytes, (opcode, payload) => control(index, opcode, payload));
      flush();
    },
    onFailed: failure.reject,
  });

  /** The frames of each publisher, which are written together after each turn. */
  const outgoing: Buffer[][] = Array.from({ length: publishers }, () => []);
  function publish(publisher: number, dueAt: number): void {
    outgoing[publisher]?.push(verifier.publish(publisher, dueAt));
  }
  function flush(): void {
    for (const [publisher, frames] of outgoing.entries()) {
      const [first] = frames;
      if (first === undefined) continue;
      clients.all[publisher]?.write(frames.length === 1 ? first : Buffer.concat(frames));
      frames.length = 0;
    }
  }

  function control(index: number, opcode: number, payload: Buffer): boolean {
    const acknowledged = acknowledgements?.identify(payload, 0, payload.length);
    if (acknowledged === undefined)
      return answerHeartbeat(protocol, opcode, payload, (bytes) => clients.all[index]?.write(bytes));
    if (acknowledged.publisher !== index) return false;
    verifier.acknowledge(acknowledged);
    return true;
  }

  function start(): void {
    if (closedLoop) {
      const now = performance.now();
      for (let publisher = 0; publisher < publishers; publisher++) {
        for (let message = 0; message < pace.inFlight; message++) publish(publisher, now);
      }
      flush();
      return;
    }
    paceEvents(
      { rate: pace.rate, maxEventsPerTurn: Infinity, spinMs: SPIN_MS, signal: sent.signal },
      (index, dueAt) => {
        publish(index % publishers, dueAt);
        return true;
      },
      flush,
    ).catch(failure.reject);
  }

  async function completed(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    onComplete = () => {
      resolve(undefined);
    };
    if (verifier.completed === verifier.published) onComplete();
    const late = sleep(CATCH_UP_MS, undefined, { signal: over.signal }).then(() => {
      throw new NotSustainedError(`messages were still in flight after ${CATCH_UP_MS / 1000} s`);
    });
    await Promise.race([promise, late]);
  }

  async function measure(): Promise<LoadFigures> {
    await clients.ready;
    if (position !== undefined) {
      acknowledgements = template.acknowledgements(position.epoch);
      verifier.startAfter(position.offset);
    }
    if (run.idleReader) clients.all.at(-1)?.stopReading();

    const memoryBefore = residentBytes(target.pids);
    let maxMemory = memoryBefore;
    let seen = 0;
    let seenAt = performance.now();
    watch = setInterval(() => {
      const memory = residentBytes(target.pids);
      if (memory !== undefined) maxMemory = Math.max(maxMemory ?? 0, memory);
      const now = performance.now();
      if (deliveries !== seen) [seen, seenAt] = [deliveries, now];
      else if (now - seenAt > STALL_MS && verifier.completed < verifier.published) {
        failure.reject(new VoidError(`messages were lost: none arrived for ${STALL_MS / 1000} s`));
      }
    }, WATCH_MS);
    const look = () => ({
      at: performance.now(),
      deliveries,
      messages: verifier.completed,
      serverCpu: cpuSeconds(target.pids),
      storeCpu: target.storePids && cpuSeconds(target.storePids),
      generatorCpu: ownCpuSeconds(),
    });

    start();
    await sleep(warmSeconds * 1000, undefined, { signal: over.signal });
    const before = look();
    window.from = before.at;
    await sleep(seconds * 1000, undefined, { signal: over.signal });
    const after = look();
    window.to = after.at;
    sent.abort();
    await completed();
    const messages = after.messages - before.messages;
    const measuredSeconds = (after.at - before.at) / 1000;
    if (!closedLoop && !isSustained(messages, pace.rate, measuredSeconds)) {
      throw new NotSustainedError(`it delivered ${messages} messages in ${measuredSeconds.toFixed(3)} s`);
    }

    // A repeated message arrives before this one.
    publish(0, performance.now());
    flush();
    await completed();

    return {
      seconds: measuredSeconds,
      deliveries: after.deliveries - before.deliveries,
      messages,
      p50Ms: histogram.quantile(0.5),
      p99Ms: histogram.quantile(0.99),
      serverCpu: difference(after.serverCpu, before.serverCpu),
      storeCpu: difference(after.storeCpu, before.storeCpu),
      generatorCpu: after.generatorCpu - before.generatorCpu,
      memoryGrowthBytes: difference(maxMemory, memoryBefore),
      sameOrder: verifier.diverged === 0,
    };
  }

  try {
    return await Promise.race([measure(), failure.promise]);
  } finally {
    over.abort();
    sent.abort();
    clearInterval(watch);
    clients.destroy();
  }
}

function isSustained(messages: number, rate: number, seconds: number): boolean {
  const due = rate * seconds;
  return due - messages <= Math.max((1 - SUSTAINED_FRACTION) * due, (rate * PAUSE_MS) / 1000);
}
