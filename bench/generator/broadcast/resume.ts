import { setTimeout as sleep } from "node:timers/promises";

import { answerHeartbeat } from "../client.ts";
import { openClients } from "../clients.ts";
import type { ClientGroup, ClientGroupOptions } from "../clients.ts";
import { cpuSeconds, difference, ownCpuSeconds, waitUntilIdle } from "../processes.ts";
import { PROTOCOLS } from "../protocols.ts";
import type { Position } from "../protocols.ts";
import { VoidError } from "../received.ts";
import type { ResumeFigures, ResumeRun, RunTarget } from "../runs.ts";
import { Expectation } from "./expectation.ts";
import { createTemplate } from "./template.ts";
import type { Numbered } from "./template.ts";

/** Limit of each step of a run. */
const STEP_MS = 60_000;

/**
 * All clients connect and disconnect, messages are published, and all clients resume at once.
 * @throws {VoidError} if a client does not receive exactly the frames that it missed.
 */
export async function runResume(run: ResumeRun, target: RunTarget): Promise<ResumeFigures> {
  const { clients: count, behind, messageBytes } = run;
  const protocol = PROTOCOLS[target.protocol];
  const template = createTemplate(protocol, messageBytes);
  const failure = Promise.withResolvers<never>();
  const opened: ClientGroup[] = [];
  const inTime = async (step: Promise<unknown>): Promise<void> => {
    const waiting = new AbortController();
    const late = sleep(STEP_MS, undefined, { signal: waiting.signal }).then(() => {
      throw new VoidError(`messages were lost: they had not arrived after ${STEP_MS / 1000} s`);
    });
    late.catch(() => undefined);
    await Promise.race([step, failure.promise, late]).finally(() => {
      waiting.abort();
    });
  };
  const open = (options: Omit<ClientGroupOptions, "target" | "onFailed">): ClientGroup => {
    const clients = openClients({ ...options, target, onFailed: failure.reject });
    opened.push(clients);
    return clients;
  };
  const answer = (clients: ClientGroup, index: number, opcode: number, payload: Buffer): boolean =>
    answerHeartbeat(protocol, opcode, payload, (bytes) => clients.all[index]?.write(bytes));

  try {
    // One client stays: it publishes, and receives all messages that the others miss.
    let from: Position | undefined;
    let acknowledgements: Numbered | undefined;
    let acknowledged = 0;
    const witnessExpectation = new Expectation(1, (index, opcode, payload) => {
      const stored = acknowledgements?.identify(payload, 0, payload.length);
      if (stored === undefined) return answer(witness, index, opcode, payload);
      return stored.sequence === acknowledged++;
    });
    const witness = open({
      count: 1,
      concurrency: 1,
      onSubscribed(_index, _channel, position) {
        from = position;
        acknowledgements = template.acknowledgements(position.epoch);
      },
      onBytes: (index, bytes) => {
        witnessExpectation.receive(index, bytes);
      },
    });
    await inTime(witness.ready);
    if (from === undefined) throw new VoidError("the server has sent no offset");
    const start = from;

    const leaving = open({ count, concurrency: count, onBytes: () => undefined });
    await inTime(leaving.ready);
    leaving.destroy();

    const sequences = Array.from({ length: behind + 1 }, (_, index) => index);
    const deliveries = sequences.map((sequence) =>
      template.deliveries.text({ publisher: 0, sequence, offset: start.offset + 1 + sequence }),
    );
    const publish = (from: number, to?: number): void => {
      const frames = sequences.slice(from, to).map((sequence) => template.publication(0, sequence));
      witness.all[0]?.write(Buffer.concat(frames));
    };
    const missed = deliveries.slice(0, -1);
    const received = witnessExpectation.expect(missed);
    publish(0, -1);
    await inTime(received);
    await waitUntilIdle(target.pids);

    const expectation = new Expectation(count, (index, opcode, payload) =>
      answer(returning, index, opcode, payload),
    );
    const allDelivered = expectation.expect(missed);
    const cpuBefore = cpuSeconds(target.pids);
    const ownCpuBefore = ownCpuSeconds();
    const startedAt = performance.now();
    const returning = open({
      count,
      concurrency: count,
      from: start,
      onSubscribed(_index, _channel, position) {
        if (position.epoch !== start.epoch || position.offset !== start.offset)
          throw new VoidError(`a client resumes at ${JSON.stringify(position)}`);
      },
      onBytes: (index, bytes) => {
        expectation.receive(index, bytes);
      },
    });
    await inTime(allDelivered);
    const figures = {
      seconds: (performance.now() - startedAt) / 1000,
      deliveries: count * behind,
      serverCpu: difference(cpuSeconds(target.pids), cpuBefore),
      generatorCpu: ownCpuSeconds() - ownCpuBefore,
    };

    // A repeated message arrives before this one.
    const last = deliveries.slice(-1);
    const everyClient = [witnessExpectation.expect(last), expectation.expect(last)];
    publish(-1);
    await inTime(Promise.all(everyClient));
    return figures;
  } finally {
    for (const clients of opened) clients.destroy();
  }
}
