import { setTimeout as sleep } from "node:timers/promises";

import { openClients } from "./clients.ts";
import type { ClientGroup, ClientGroupOptions } from "./clients.ts";
import { clientFrame, serverFrame } from "./frames.ts";
import { difference, ownCpuSeconds } from "./load.ts";
import { cpuSeconds, waitUntilIdle } from "./processes.ts";
import { PROTOCOLS } from "./protocols.ts";
import type { ResumeFigures, ResumeRun, RunTarget } from "./runs.ts";
import { VoidError } from "./verifier.ts";

/** Each step of a run must be over after this. */
const STEP_MS = 60_000;

/** See PROTOCOL.md, `resume.v1`. */
interface Greeting {
  readonly epoch: string;
  readonly offset: number;
}

/**
 * Everybody connects and leaves, messages are published, and everybody comes back at once.
 * @throws {VoidError} where a client does not get exactly the frames that it missed.
 */
export async function runResume(run: ResumeRun, target: RunTarget): Promise<ResumeFigures> {
  const { clients: count, behind, messageBytes } = run;
  const { publish, delivery } = PROTOCOLS["resume.v1"];
  const failure = Promise.withResolvers<never>();
  const opened: ClientGroup[] = [];
  const inTime = async (step: Promise<unknown>): Promise<void> => {
    const waiting = new AbortController();
    const late = sleep(STEP_MS, undefined, { signal: waiting.signal }).then(() => {
      throw new VoidError(`messages were lost: they had not come after ${STEP_MS / 1000} s`);
    });
    late.catch(() => undefined);
    await Promise.race([step, failure.promise, late]).finally(() => {
      waiting.abort();
    });
  };
  const open = (crowd: Omit<ClientGroupOptions, "target" | "onFailed">): ClientGroup => {
    const clients = openClients({
      ...crowd,
      target: { ...target, protocol: "resume.v1" },
      onFailed: failure.reject,
    });
    opened.push(clients);
    return clients;
  };

  try {
    // One stays: it publishes, and tells when everything is there to be missed.
    const witnessed = new Expectation(1);
    let start: Greeting | undefined;
    const witness = open({
      count: 1,
      concurrency: 1,
      onGreeting: (_, text) => (start = readGreeting(text)),
      onBytes: (index, bytes) => {
        witnessed.receive(index, bytes);
      },
    });
    await inTime(witness.ready);
    if (start === undefined) throw new VoidError("there was no greeting");
    const { epoch, offset } = start;

    const leavers = open({ count, concurrency: count, onBytes: () => undefined });
    await inTime(leavers.ready);
    leavers.destroy();

    const texts = Array.from({ length: behind + 1 }, (_, index) => message(index, messageBytes));
    const deliveries = texts.map((text, index) =>
      serverFrame(Buffer.from(delivery[0] + text + delivery[1] + `${offset + 1 + index}}`)),
    );
    const publications = texts.map((text) => clientFrame(Buffer.from(publish.join(text))));
    const send = (frames: readonly Buffer[]) => witness.all[0]?.write(Buffer.concat(frames));
    send(publications.slice(0, -1));
    await inTime(witnessed.expect(Buffer.concat(deliveries.slice(0, -1))));
    await waitUntilIdle(target.pids);

    const expectation = new Expectation(count);
    const level = expectation.expect(Buffer.concat(deliveries.slice(0, -1)));
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
          throw new VoidError(`it was greeted by ${text}`);
      },
      onBytes: (index, bytes) => {
        expectation.receive(index, bytes);
      },
    });
    await inTime(level);
    const figures = {
      seconds: (performance.now() - startedAt) / 1000,
      deliveries: count * behind,
      serverCpu: difference(cpuSeconds(target.pids), cpuBefore),
      generatorCpu: ownCpuSeconds() - ownCpuBefore,
    };

    // What came twice came before this one does.
    const last = deliveries.slice(-1);
    const everybody = [witnessed.expect(Buffer.concat(last)), expectation.expect(Buffer.concat(last))];
    send(publications.slice(-1));
    await inTime(Promise.all(everybody));
    return figures;
  } finally {
    for (const clients of opened) clients.destroy();
  }
}

/** The very bytes that each of several receivers must get next. */
class Expectation {
  readonly #positions: number[];
  #bytes: Buffer = Buffer.alloc(0);
  #missing = 0;
  #onLevel: () => void = () => undefined;

  constructor(receivers: number) {
    this.#positions = new Array<number>(receivers).fill(0);
  }

  /** Resolves when every receiver has them. */
  expect(bytes: Buffer): Promise<unknown> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#bytes = bytes;
    this.#missing = this.#positions.length;
    this.#positions.fill(0);
    this.#onLevel = () => {
      resolve(undefined);
    };
    return promise;
  }

  /** @throws {VoidError} at the first byte that is another one. */
  receive(index: number, bytes: Buffer): void {
    const position = this.#positions[index] ?? 0;
    const end = position + bytes.length;
    if (end > this.#bytes.length || this.#bytes.compare(bytes, 0, bytes.length, position, end) !== 0) {
      throw new VoidError("a message was lost, doubled or altered");
    }
    this.#positions[index] = end;
    if (end < this.#bytes.length) return;
    this.#missing--;
    if (this.#missing === 0) this.#onLevel();
  }
}

function readGreeting(text: string): Greeting {
  const { epoch, offset } = JSON.parse(text) as Partial<Greeting>;
  if (typeof epoch !== "string" || typeof offset !== "number")
    throw new VoidError(`it was greeted by ${text}`);
  return { epoch, offset };
}

function message(index: number, bytes: number): string {
  const text = JSON.stringify({ n: index, d: "" });
  return JSON.stringify({ n: index, d: "x".repeat(Math.max(0, bytes - text.length)) });
}
