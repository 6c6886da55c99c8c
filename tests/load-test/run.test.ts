import assert from "node:assert/strict";

import { generate } from "selfsigned";

import { churn } from "../../load-test/churn.ts";
import { type LoadTestOptions, parseOptions } from "../../load-test/options.ts";
import { hasSucceeded, type LoadTestReport, render } from "../../load-test/report.ts";
import { runLoadTest } from "../../load-test/run.ts";
import { type Behaviour, broadcast, greet, startServer } from "./server.ts";

const NEVER = new AbortController().signal;
const ignoreProgress = (): void => undefined;

function optionsFor(url: URL, ...args: string[]): LoadTestOptions {
  const options = parseOptions([url.href, ...args]);
  assert(options);
  return options;
}

async function run(url: URL, ...args: string[]): Promise<LoadTestReport> {
  return await runLoadTest(optionsFor(url, ...args), ignoreProgress, NEVER);
}

async function runAgainst(behaviour: Behaviour, ...args: string[]): Promise<LoadTestReport> {
  await using server = await startServer(behaviour);
  return await run(server.url, ...args);
}

/** Greets each client with a delay. */
function greetAfter(ms: number): Behaviour {
  return { welcome: (socket) => void setTimeout(greet, ms, socket) };
}

describe("load test", () => {
  describe("churn", () => {
    it("opens the requested connections without failures", async () => {
      const report = await runAgainst({}, "--rate", "200", "--total", "50");
      const { connectMs, subscribeMs, ...counts } = report.connections;
      assert.deepEqual(counts, { planned: 50, attempted: 50, connected: 50, moved: 0 });
      assert.equal(connectMs?.count, 50);
      assert.equal(subscribeMs?.count, 50);
      assert.equal(report.interrupted, false);
      assert(hasSucceeded(report));
    });

    it("keeps the rate and ends with the duration", async () => {
      const report = await runAgainst({}, "--rate", "40", "--duration", "1");
      assert.equal(report.connections.attempted, 40);
      assert(report.seconds > 0.9 && report.seconds < 3, `${report.seconds} s`);
    });

    it("never holds more connections open than --concurrency", async () => {
      await using server = await startServer();
      const report = await run(server.url, "--rate", "5000", "--total", "60", "--concurrency", "3");
      assert(report.connections.connected > 3);
      assert(server.mostClients() <= 3, `${server.mostClients()} open at once`);
    });

    it("fails if the rate was not reached", async () => {
      const args = ["--rate", "40", "--duration", "1", "--concurrency", "1"];
      const report = await runAgainst(greetAfter(100), ...args);
      assert.deepEqual(report.failures, []);
      assert(report.connections.attempted < report.connections.planned);
      assert(!hasSucceeded(report));
      assert.match(render(report), /\nThe rate was not reached: [^\n]+\nSomething failed\.\n$/);
    });

    it("ends in time without greetings", async () => {
      await using server = await startServer({ welcome: () => undefined });
      const options = optionsFor(server.url, "--rate", "20", "--duration", "1", "--concurrency", "1");
      // Shorter than the command line allows.
      const report = await runLoadTest({ ...options, timeout: 0.3 }, ignoreProgress, NEVER);
      const { planned, attempted, connected } = report.connections;
      assert.deepEqual([planned, connected], [20, 0]);
      assert(attempted <= 8, `${attempted} attempted`);
      assert.deepEqual(report.failures, [{ reason: "timeout", detail: "connect", count: attempted }]);
      // All 20 would take 6 s.
      assert(report.seconds < 5, `${report.seconds} s`);
    });

    it("counts refused upgrades and closed connections by reason", async () => {
      for (const [behaviour, ...expected] of [
        [{ refuseWith: 403 }, "http 403"],
        [
          {
            welcome: (socket) => {
              socket.close(1013);
            },
          },
          "closed 1013",
        ],
        [
          {
            welcome: (socket) => {
              greet(socket);
              socket.terminate();
            },
          },
          "closed 1006",
          "reset ECONNRESET",
        ],
      ] satisfies [Behaviour, ...string[]][]) {
        const report = await runAgainst(behaviour, "--rate", "100", "--total", "5");
        assert.equal(
          report.failures.reduce((sum, { count }) => sum + count, 0),
          5,
        );
        for (const { reason, detail } of report.failures) assert(expected.includes(`${reason} ${detail}`));
        assert(!hasSucceeded(report));
      }
    });

    it("counts refused connections and failures of TLS", async () => {
      const server = await startServer();
      const url = new URL(server.url);
      url.protocol = "wss:";
      const tls = await run(url, "--rate", "100", "--total", "2");
      await server[Symbol.asyncDispose]();
      assert.deepEqual([tls.failures[0]?.reason, tls.failures[0]?.count], ["tls", 2]);
      const { failures, connections } = await run(server.url, "--rate", "100", "--total", "5");
      assert.deepEqual(failures, [{ reason: "refused", detail: "ECONNREFUSED", count: 5 }]);
      assert.equal(connections.connectMs, null);
    });

    it("checks certificates, except on a loopback host", async () => {
      const { private: key, cert } = await generate([{ name: "commonName", value: "localhost" }]);
      await using server = await startServer({ tls: { key, cert } });
      const options = optionsFor(server.url, "--total", "1");
      const report = await runLoadTest(options, ignoreProgress, NEVER);
      assert.equal(report.certificate, "not checked: loopback host");
      assert.equal(report.connections.connected, 1);

      assert(options.mode === "churn");
      const endpoint = { url: server.url, verifyCertificate: true, timeoutMs: 5000 };
      const { failures } = await churn(options, endpoint, ignoreProgress, NEVER);
      assert.deepEqual(failures, [{ reason: "tls", detail: "DEPTH_ZERO_SELF_SIGNED_CERT", count: 1 }]);
    });
  });

  describe("sustained", () => {
    const args = ["--mode", "sustained", "--connections", "5", "--rate", "200", "--total", "40"];

    /** The counts of the deliveries, 200 of which are expected. */
    async function countsOf(deliver: Behaviour["deliver"], ...more: string[]) {
      const report = await runAgainst({ ...(deliver && { deliver }) }, ...args, ...more);
      assert.deepEqual(report.failures, []);
      const { received, missing, duplicated, foreign, expected } = deliveriesOf(report);
      assert.equal(expected, 200);
      return { received, missing, duplicated, foreign, succeeded: hasSucceeded(report) };
    }

    it("fails if --duration ends before all connections are open", async () => {
      const args = ["--mode", "sustained", "--connections", "120", "--total", "1", "--duration", "1"];
      const report = await runAgainst(greetAfter(700), ...args);
      assert.deepEqual(report.failures, []);
      // Two rounds of 50, the second one incomplete on a slow machine.
      const { attempted } = report.connections;
      assert(attempted >= 50 && attempted <= 100, `${attempted} attempted`);
      assert(!hasSucceeded(report));
      assert.match(render(report), /\nNot all connections were opened [^\n]+\nSomething failed\.\n$/);
    });

    it("counts and measures every copy of every message", async () => {
      const report = await runAgainst({}, ...args);
      assert.equal(report.connections.connected, 5);
      assert.equal(report.messages?.sent, 40);
      assert.equal(report.messages.lagMs?.count, 40);
      const { roundTripMs, fanOutMs, ...counts } = deliveriesOf(report);
      assert.deepEqual(counts, {
        ...{ expected: 200, received: 200, missing: 0, duplicated: 0, gaps: 0, foreign: 0 },
        affected: [],
      });
      assert.equal(roundTripMs?.count, 40);
      assert.equal(fanOutMs?.count, 160);
      assert(hasSucceeded(report));
    });

    it("detects lost copies", async () => {
      let copies = 0;
      const deliver: Behaviour["deliver"] = (clients, frame) => {
        for (const client of clients) if (++copies % 10 !== 0) client.send(frame);
      };
      assert.deepEqual(await countsOf(deliver, "--timeout", "1"), {
        ...{ received: 180, missing: 20, duplicated: 0, foreign: 0 },
        succeeded: false,
      });
    });

    it("detects duplicates, also of the last copy", async () => {
      let copies = 0;
      const deliver: Behaviour["deliver"] = (clients, frame) => {
        for (const client of clients) {
          client.send(frame);
          if (++copies % 20 === 0) client.send(frame);
        }
      };
      assert.deepEqual(await countsOf(deliver), {
        ...{ received: 200, missing: 0, duplicated: 10, foreign: 0 },
        succeeded: false,
      });
    });

    it("counts other clients' messages separately", async () => {
      const others = ["hello", { run: "another", channel: "/", sequence: 0, sender: 0, dueAt: 0 }];
      const deliver: Behaviour["deliver"] = (clients, frame, _from, frameOf) => {
        for (const message of others) broadcast(clients, frameOf(message));
        broadcast(clients, frame);
      };
      assert.deepEqual(await countsOf(deliver), {
        ...{ received: 200, missing: 0, duplicated: 0, foreign: 400 },
        succeeded: true,
      });
    });

    it("continues after a lost connection, and expects no more of it", async () => {
      let messages = 0;
      const deliver: Behaviour["deliver"] = (clients, frame, from) => {
        if (++messages === 10) from.close(1008);
        broadcast(clients, frame);
      };
      // For a whole second: after a pause of this process, many are sent at once.
      const report = await runAgainst({ deliver }, ...args, "--total", "200", "--timeout", "1");
      assert.deepEqual(report.failures, [{ reason: "closed", detail: "1008", count: 1 }]);
      assert.equal(report.messages?.sent, 200);
      assert(deliveriesOf(report).expected < 1000);
      assert(!hasSucceeded(report));
    });

    it("spreads the connections over channels, and counts each channel", async () => {
      const deliver: Behaviour["deliver"] = (clients, frame) => {
        const { channel } = JSON.parse(frame) as { channel: string };
        if (channel === "room.2") return;
        broadcast(clients, frame);
        if (channel === "room.3") for (const client of clients) client.send(gapIn(channel));
      };
      await using server = await startServer({ deliver });
      const options = ["--channel", "room", "--channels", "4", "--subscriptions", "2", "--timeout", "1"];
      const report = await run(server.url, ...args, ...options);
      assert.deepEqual(report.subscriptions, { channels: 4, perConnection: 2 });
      const counts = Object.groupBy(server.subscribes, ({ subscribe }) => subscribe);
      assert.deepEqual(
        Object.entries(counts).map(([channel, subscribes]) => [channel, subscribes?.length]),
        [
          ["room.1", 3],
          ["room.2", 3],
          ["room.3", 2],
          ["room.4", 2],
        ],
      );
      // 40 messages: each connection sends 4 to each of its 2 channels.
      const deliveries = deliveriesOf(report);
      assert.equal(deliveries.expected, 12 * 3 * 2 + 8 * 2 * 2);
      assert.deepEqual(deliveries.affected, [
        { channel: "room.2", missing: 36, duplicated: 0, gaps: 0 },
        { channel: "room.3", missing: 0, duplicated: 0, gaps: 16 },
      ]);
      assert(!hasSucceeded(report));
    });

    it("resumes at its position if the server requests a reconnect", async () => {
      let messages = 0;
      const deliver: Behaviour["deliver"] = (clients, frame, from) => {
        broadcast(clients, frame);
        if (++messages === 10) from.close(1012);
      };
      await using server = await startServer({ deliver });
      const report = await run(server.url, ...args);
      assert.deepEqual(report.failures, []);
      assert.equal(report.connections.moved, 1);
      assert.deepEqual(server.subscribes.at(-1), { subscribe: "/", epoch: "1", offset: 10 });
      assert.equal(deliveriesOf(report).received, 200);
      assert(hasSucceeded(report));
    });

    it("counts rejected subscribes by code", async () => {
      const error = { code: "too_many_channels", message: "Too many." };
      const report = await runAgainst(
        { subscribe: (channel) => ({ error: { ...error, channel } }) },
        ...args,
      );
      assert.deepEqual(report.failures, [{ reason: "server", detail: "too_many_channels", count: 5 }]);
      assert.equal(report.connections.connected, 0);
    });

    it("counts the errors of the server by code", async () => {
      const deliver: Behaviour["deliver"] = (clients, frame, from) => {
        from.send('{"error":{"code":"too_many","message":"slower"}}');
        broadcast(clients, frame);
      };
      const report = await runAgainst({ deliver }, ...args);
      assert.deepEqual(report.failures, [{ reason: "server", detail: "too_many", count: 40 }]);
    });

    it("ends at once without connections", async () => {
      const report = await runAgainst({ refuseWith: 503 }, ...args, "--duration", "60");
      assert.deepEqual(report.failures, [{ reason: "http", detail: "503", count: 5 }]);
      assert.equal(report.messages?.sent, 0);
      assert(report.seconds < 10, `${report.seconds} s`);
    });

    it("ends at an interrupt with a complete summary", async () => {
      await using server = await startServer();
      const interrupt = new AbortController();
      const report = await runLoadTest(
        optionsFor(server.url, ...args),
        ({ part, done }) => {
          if (part === "messages" && done === 10) interrupt.abort();
        },
        interrupt.signal,
      );
      assert.equal(report.interrupted, true);
      assert.equal(report.messages?.sent, 10);
      assert.equal(deliveriesOf(report).received, 50);
      assert(hasSucceeded(report));
    });
  });
});

function gapIn(channel: string): string {
  return JSON.stringify({ gap: { channel, epoch: "1", from: 1, to: 2 } });
}

function deliveriesOf({ deliveries }: LoadTestReport): NonNullable<LoadTestReport["deliveries"]> {
  assert(deliveries !== null);
  return deliveries;
}
