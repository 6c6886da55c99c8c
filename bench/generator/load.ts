import { setTimeout as sleep } from "node:timers/promises";

import { LatencyHistogram } from "../../load-test/parts/histogram.ts";
import { pace as paceEvents } from "../../load-test/parts/pace.ts";
import { openClients } from "./clients.ts";
import { clientFrame, OPCODES } from "./frames.ts";
import { cpuSeconds, residentBytes } from "./processes.ts";
import { PROTOCOLS } from "./protocols.ts";
import type { LoadFigures, LoadRun, RunTarget } from "./runs.ts";
import { createTemplate } from "./template.ts";
import { NotSustainedError, Receiver, Verifier, VoidError } from "./verifier.ts";

const HANDSHAKES_AT_ONCE = 128;
/** Messages of a publisher on their way, in an open loop: more than two seconds at the highest rate asked for. */
const OPEN_LOOP_WINDOW = 4096;
/** Nothing came for so long, though something is on its way: it was lost. */
const STALL_MS = 8000;
/** A server that brings fewer than these of the messages that become due only lets them pile up. */
const SUSTAINED_PART = 0.98;
/** In a measurement so short that these are less than a pause of either process, that many milliseconds' messages. */
const PAUSE_MS = 50;
/** The generator has a CPU to itself, and a timer may be late by a millisecond. */
const SPIN_MS = 2;
/** What is on its way when the sending ends should be there after this. */
const CATCH_UP_MS = 15_000;
const WATCH_MS = 250;

/**
 * @throws {VoidError} where the server was not faithful.
 * @throws {NotSustainedError} where it could not keep up with the rate.
 */
export async function runLoad(run: LoadRun, target: RunTarget): Promise<LoadFigures> {
  const { clients: count, publishers, pace, warmSeconds, seconds } = run;
  const protocol = PROTOCOLS[target.protocol];
  const closedLoop = "inFlight" in pace;
  const failure = Promise.withResolvers<never>();
  const over = new AbortController();
  const histogram = new LatencyHistogram();
  /** When everything has come that was sent; set once the sending is over. */
  let onLevel: (() => void) | undefined;
  const sent = new AbortController();
  let watch: NodeJS.Timeout | undefined;
  /** Messages due within it count for the latency, also those that come after it. In milliseconds. */
  const window = { from: Infinity, to: Infinity };
  let deliveries = 0;
  let readAt = 0;

  const verifier = new Verifier({
    template: createTemplate(protocol, run.messageBytes),
    receivers: count,
    publishers,
    window: closedLoop ? pace.inFlight : OPEN_LOOP_WINDOW,
    onDelivery(dueAt) {
      deliveries++;
      if (dueAt >= window.from && dueAt < window.to) histogram.record(readAt - dueAt);
    },
    onComplete(publisher) {
      if (closedLoop && !sent.signal.aborted) publish(publisher, readAt);
      else if (verifier.completed === verifier.published) onLevel?.();
    },
  });

  const receivers = Array.from({ length: count }, () => new Receiver());
  const clients = openClients({
    target,
    count: count + (run.idleReader ? 1 : 0),
    concurrency: HANDSHAKES_AT_ONCE,
    onBytes(index, bytes) {
      const receiver = receivers[index];
      if (receiver === undefined) return;
      readAt = performance.now();
      verifier.receive(receiver, bytes, (opcode, payload) => control(index, opcode, payload));
      flush();
    },
    onFailed: failure.reject,
  });

  /** What a publisher sends in one turn goes out together. */
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
    if (opcode === OPCODES.ping) {
      clients.all[index]?.write(clientFrame(payload, OPCODES.pong));
      return true;
    }
    const { heartbeat } = protocol;
    if (opcode !== OPCODES.text || payload.toString() !== heartbeat?.text) return false;
    clients.all[index]?.write(clientFrame(Buffer.from(heartbeat.answer)));
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

  async function level(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    onLevel = () => {
      resolve(undefined);
    };
    if (verifier.completed === verifier.published) onLevel();
    const late = sleep(CATCH_UP_MS, undefined, { signal: over.signal }).then(() => {
      throw new NotSustainedError(`it was not level after ${CATCH_UP_MS / 1000} s`);
    });
    await Promise.race([promise, late]);
  }

  async function measure(): Promise<LoadFigures> {
    await clients.ready;
    if (run.idleReader) clients.all.at(-1)?.stopReading();

    const memoryBefore = residentBytes(target.pids);
    let memoryMost = memoryBefore;
    let seen = 0;
    let seenAt = performance.now();
    watch = setInterval(() => {
      const memory = residentBytes(target.pids);
      if (memory !== undefined) memoryMost = Math.max(memoryMost ?? 0, memory);
      const now = performance.now();
      if (deliveries !== seen) [seen, seenAt] = [deliveries, now];
      else if (now - seenAt > STALL_MS && verifier.completed < verifier.published) {
        failure.reject(new VoidError(`messages were lost: none came for ${STALL_MS / 1000} s`));
      }
    }, WATCH_MS);
    const look = () => ({
      at: performance.now(),
      deliveries,
      messages: verifier.completed,
      serverCpu: cpuSeconds(target.pids),
      storeCpu: target.storePid === undefined ? undefined : cpuSeconds([target.storePid]),
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
    await level();
    const messages = after.messages - before.messages;
    const measuredSeconds = (after.at - before.at) / 1000;
    if (!closedLoop && !isSustained(messages, pace.rate, measuredSeconds)) {
      throw new NotSustainedError(`it brought ${messages} messages in ${measuredSeconds.toFixed(3)} s`);
    }

    // A message that came twice came before this one does.
    publish(0, performance.now());
    flush();
    await level();

    return {
      seconds: measuredSeconds,
      deliveries: after.deliveries - before.deliveries,
      messages,
      p50Ms: histogram.quantile(0.5),
      p99Ms: histogram.quantile(0.99),
      serverCpu: difference(after.serverCpu, before.serverCpu),
      storeCpu: difference(after.storeCpu, before.storeCpu),
      generatorCpu: after.generatorCpu - before.generatorCpu,
      memoryGrowthBytes: difference(memoryMost, memoryBefore),
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
  return due - messages <= Math.max((1 - SUSTAINED_PART) * due, (rate * PAUSE_MS) / 1000);
}

/** In seconds, of all threads. */
export function ownCpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** `undefined` where either is. */
export function difference(after: number | undefined, before: number | undefined): number | undefined {
  return after === undefined || before === undefined ? undefined : after - before;
}
