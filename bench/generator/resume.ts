import { setTimeout as sleep } from "node:timers/promises";

import { openClients } from "./clients.ts";
import type { ClientGroup, ClientGroupOptions } from "./clients.ts";
import { clientFrame, serverFrame } from "./frames.ts";
import { cpuSeconds, difference, ownCpuSeconds, waitUntilIdle } from "./processes.ts";
import { PROTOCOLS } from "./protocols.ts";
import type { ResumeFigures, ResumeRun, RunTarget } from "./runs.ts";
import { VoidError } from "./verifier.ts";

/** Limit of each step of a run. */
const STEP_MS = 60_000;

/** The greeting of `resume.v1`: see PROTOCOL.md. */
interface Greeting {
  readonly epoch: string;
  readonly offset: number;
}

/**
 * All clients connect and disconnect, messages are published, and all clients resume at once.
 * @throws {VoidError} if a client does not receive exactly the frames that it missed.
 */
export async function runResume(run: ResumeRun, target: RunTarget): Promise<ResumeFigures> {
  const { clients: count, behind, messageBytes } = run;
  const { publish, delivery } = PROTOCOLS["resume.v1"];
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
    const clients = openClients({
      ...options,
      target: { ...target, protocol: "resume.v1" },
      onFailed: failure.reject,
    });
    opened.push(clients);
    return clients;
  };

  try {
    // One client stays: it publishes, and receives all messages that the others miss.
    const witnessExpectation = new Expectation(1);
    let start: Greeting | undefined;
    const witness = open({
      count: 1,
      concurrency: 1,
      onGreeting: (_, text) => (start = readGreeting(text)),
      onBytes: (index, bytes) => {
        witnessExpectation.receive(index, bytes);
      },
    });
    await inTime(witness.ready);
    if (start === undefined) throw new VoidError("the server sent no greeting");
    const { epoch, offset } = start;

    const leaving = open({ count, concurrency: count, onBytes: () => undefined });
    await inTime(leaving.ready);
    leaving.destroy();

    const texts = Array.from({ length: behind + 1 }, (_, index) => message(index, messageBytes));
    const deliveries = texts.map((text, index) =>
      serverFrame(Buffer.from(delivery[0] + text + delivery[1] + `${offset + 1 + index}}`)),
    );
    const publications = texts.map((text) => clientFrame(Buffer.from(publish.join(text))));
    const send = (frames: readonly Buffer[]) => witness.all[0]?.write(Buffer.concat(frames));
    send(publications.slice(0, -1));
    await inTime(witnessExpectation.expect(Buffer.concat(deliveries.slice(0, -1))));
    await waitUntilIdle(target.pids);

    const expectation = new Expectation(count);
    const allDelivered = expectation.expect(Buffer.concat(deliveries.slice(0, -1)));
    const cpuBefore = cpuSeconds(target.pids);
    const ownCpuBefore = ownCpuSeconds();
    const startedAt = performance.now();
    open({
      count,
      concurrency: count,
      query: `?epoch=${encodeURIComponent(epoch)}&offset=${offset}`,
      onGreeting(_, text) {
        const greeting = readGreeting(text);
        if (greeting.epoch !== epoch || greeting.offset !== offset)
          throw new VoidError(`the greeting is ${text}`);
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
    const everyClient = [
      witnessExpectation.expect(Buffer.concat(last)),
      expectation.expect(Buffer.concat(last)),
    ];
    send(publications.slice(-1));
    await inTime(Promise.all(everyClient));
    return figures;
  } finally {
    for (const clients of opened) clients.destroy();
  }
}

/** The exact bytes that several receivers must get next. */
class Expectation {
  readonly #positions: number[];
  #bytes: Buffer = Buffer.alloc(0);
  #missing = 0;
  #onComplete: () => void = () => undefined;

  constructor(receivers: number) {
    this.#positions = new Array<number>(receivers).fill(0);
  }

  /** Resolves when every receiver has the bytes. */
  expect(bytes: Buffer): Promise<unknown> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#bytes = bytes;
    this.#missing = this.#positions.length;
    this.#positions.fill(0);
    this.#onComplete = () => {
      resolve(undefined);
    };
    return promise;
  }

  /** @throws {VoidError} at the first different byte. */
  receive(index: number, bytes: Buffer): void {
    const position = this.#positions[index] ?? 0;
    const end = position + bytes.length;
    if (end > this.#bytes.length || this.#bytes.compare(bytes, 0, bytes.length, position, end) !== 0) {
      throw new VoidError("a message was lost, repeated or altered");
    }
    this.#positions[index] = end;
    if (end < this.#bytes.length) return;
    this.#missing--;
    if (this.#missing === 0) this.#onComplete();
  }
}

function readGreeting(text: string): Greeting {
  const { epoch, offset } = JSON.parse(text) as Partial<Greeting>;
  if (typeof epoch !== "string" || typeof offset !== "number") throw new VoidError(`the greeting is ${text}`);
  return { epoch, offset };
}

function message(index: number, bytes: number): string {
  const text = JSON.stringify({ n: index, d: "" });
  return JSON.stringify({ n: index, d: "x".repeat(Math.max(0, bytes - text.length)) });
}
