import assert from "node:assert/strict";

import { runConnections } from "../../../bench/generator/connections.ts";
import { runLoad } from "../../../bench/generator/broadcast/load.ts";
import type { LoadFigures, LoadRun } from "../../../bench/generator/runs.ts";
import { NotSustainedError, VoidError } from "../../../bench/generator/received.ts";
import { broadcast, startServer } from "../../load-test/server.ts";
import type { TestServer } from "../../load-test/server.ts";

/** Maximum runs of a load, of which one must be sustained. */
const ATTEMPTS = 4;

type Deliver = NonNullable<NonNullable<Parameters<typeof startServer>[0]>["deliver"]>;

const RUN: LoadRun = {
  kind: "load",
  clients: 5,
  publishers: 2,
  messageBytes: 64,
  pace: { inFlight: 4 },
  idleReader: false,
  warmSeconds: 0.02,
  seconds: 0.5,
};

/** The message, counted over all publishers, at which a server has its fault. */
const FAULT_AT = 10;

async function load(deliver: Deliver, run: Partial<LoadRun> = {}): Promise<LoadFigures> {
  await using server = await startServer({ deliver });
  return await runLoad({ ...RUN, ...run }, targetOf(server));
}

function targetOf({ url }: TestServer) {
  return {
    host: url.hostname,
    ports: [Number(url.port)],
    hasTls: false,
    pids: [process.pid],
    protocol: "plain",
  } as const;
}

/** Calls `fault` for one message to one client, and delivers all other messages. */
function faultOnce(
  fault: (send: (frame: string) => void, frame: string, next: Promise<string>) => void,
): Deliver {
  let messages = 0;
  const next = Promise.withResolvers<string>();
  return (clients, frame) => {
    messages++;
    const [receiver, ...others] = clients;
    for (const client of others) client.send(frame);
    const send = (text: string) => receiver?.send(text);
    if (messages === FAULT_AT) fault(send, frame, next.promise);
    else send(frame);
    if (messages > FAULT_AT) next.resolve(frame);
  };
}

describe("a run of the benchmark", () => {
  it("counts the deliveries", async () => {
    const figures = await load(broadcast);
    assert.ok(figures.messages >= FAULT_AT, `${figures.messages} messages`);
    assert.ok(Math.abs(figures.deliveries - RUN.clients * figures.messages) <= RUN.clients * 8);
    assert.ok((figures.p99Ms ?? 0) >= (figures.p50Ms ?? Infinity));
    assert.equal(figures.sameOrder, true);
  });

  it("is void when a message is lost", async () => {
    await assert.rejects(load(faultOnce(() => undefined)), voided(/lost/));
  });

  it("is void when a message is altered for every client", async () => {
    let messages = 0;
    const deliver: Deliver = (clients, frame) => {
      messages++;
      broadcast(clients, messages < FAULT_AT ? frame : frame.replace("abc", "abd"));
    };
    await assert.rejects(load(deliver), voided(/not one of the sent messages/));
  });

  it("is void when the messages of a publisher change places", async () => {
    let held: string | undefined;
    let messages = 0;
    const deliver: Deliver = (clients, frame) => {
      messages++;
      if (messages === FAULT_AT) held = frame;
      else broadcast(clients, frame);
      if (messages > FAULT_AT && held !== undefined) {
        broadcast(clients, held);
        held = undefined;
      }
    };
    await assert.rejects(load(deliver, { publishers: 1 }), voided(/lost, or overtaken/));
  });

  it("is void when a connection ends", async () => {
    let messages = 0;
    const deliver: Deliver = (clients, frame, from) => {
      messages++;
      broadcast(clients, frame);
      if (messages === FAULT_AT) from.terminate();
    };
    await assert.rejects(load(deliver), /closed 1006|ECONNRESET/);
  });

  it("reports different orders of clients, which are valid", async () => {
    const held: string[] = [];
    let messages = 0;
    // Messages of two publishers change places for one client, as with tasks without a common order.
    const deliver: Deliver = (clients, frame) => {
      messages++;
      const [odd, ...others] = clients;
      for (const client of others) client.send(frame);
      if (messages === FAULT_AT) held.push(frame);
      else odd?.send(frame);
      if (messages > FAULT_AT) for (const text of held.splice(0)) odd?.send(text);
    };
    const figures = await load(deliver, { pace: { inFlight: 1 } });
    assert.equal(figures.sameOrder, false);
  });

  it("measures from the due time in an open loop", async () => {
    const figures = await untilSustained(() => load(broadcast, { pace: { rate: 500 }, seconds: 2 }));
    const rate = figures.messages / figures.seconds;
    assert.ok(rate >= 400 && rate <= 600, `${rate} messages a second`);
  });

  it("ends if the server does not keep up with an open loop", async () => {
    const nothing = () => undefined;
    await assert.rejects(load(nothing, { pace: { rate: 200_000 } }), NotSustainedError);
  });

  it("ends if the server falls behind slowly in an open loop", async () => {
    const rate = 500;
    const deliveredPerMs = (0.85 * rate) / 1000;
    const queue: (() => void)[] = [];
    let startedAt: number | undefined;
    let messages = 0;
    const deliver: Deliver = (clients, frame) => {
      startedAt ??= performance.now();
      queue.push(() => {
        broadcast(clients, frame);
      });
      const at = startedAt + messages++ / deliveredPerMs;
      setTimeout(() => queue.shift()?.(), Math.max(0, at - performance.now()));
    };
    // Long enough that the deliveries after a pause of this process do not hide the delay.
    await assert.rejects(load(deliver, { pace: { rate }, seconds: 2 }), NotSustainedError);
  });

  it("counts the latency of messages that arrive after the measurement", async () => {
    const [usualMs, stallMs, stallsAt] = [10, 300, 4 * FAULT_AT];
    let messages = 0;
    const deliver: Deliver = (clients, frame) => {
      messages++;
      setTimeout(
        () => {
          broadcast(clients, frame);
        },
        messages > stallsAt ? stallMs : usualMs,
      );
    };
    const { p50Ms = 0, p99Ms = 0 } = await load(deliver, { warmSeconds: 0 });
    assert.ok(p50Ms < stallMs, `${p50Ms} ms`);
    assert.ok(p99Ms >= 0.9 * stallMs, `${p99Ms} ms`);
  });

  it("includes a client that never reads", async () => {
    const figures = await load(broadcast, { idleReader: true });
    assert.ok(figures.messages >= FAULT_AT);
  });

  it("opens connections, and fails if they are refused", async () => {
    const run = { kind: "connections", clients: 20, concurrency: 4, settleSeconds: 0 } as const;
    await using server = await startServer();
    assert.ok((await runConnections(run, targetOf(server))).seconds > 0);
    assert.equal(server.mostClients(), 20);

    await using full = await startServer({ refuseWith: 503 });
    await assert.rejects(runConnections(run, targetOf(full)), /503/);
  });
});

/** A pause of this process at the end of a run looks like a slow server. */
async function untilSustained(run: () => Promise<LoadFigures>): Promise<LoadFigures> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await run();
    } catch (error) {
      if (!(error instanceof NotSustainedError) || attempt === ATTEMPTS) throw error;
    }
  }
}

function voided(message: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof VoidError, String(error));
    assert.match(error.message, message);
    return true;
  };
}
