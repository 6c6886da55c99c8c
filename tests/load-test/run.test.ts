import assert from "node:assert/strict";

import { generate } from "selfsigned";

import { churn } from "../../load-test/churn.ts";
import { type LoadTestOptions, parseOptions } from "../../load-test/options.ts";
import { hasSucceeded, type LoadTestReport, render } from "../../load-test/report.ts";
import { runLoadTest } from "../../load-test/run.ts";
import { broadcast, greet, startServer } from "./server.ts";

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

/** Runs with a shorter timeout than the command line allows. */
async function runUntilTimeout(url: URL, ...args: string[]): Promise<LoadTestReport> {
  return await runLoadTest({ ...optionsFor(url, ...args), timeout: 0.3 }, ignoreProgress, NEVER);
}

describe("load test", () => {
  describe("churn", () => {
    it("opens the requested connections without failures", async () => {
      await using server = await startServer();
      const report = await run(server.url, "--rate", "200", "--total", "50");
      assert.equal(report.connections.planned, 50);
      assert.equal(report.connections.attempted, 50);
      assert.equal(report.connections.connected, 50);
      assert.equal(report.connections.connectMs?.count, 50);
      assert.deepEqual(report.failures, []);
      assert.equal(report.interrupted, false);
      assert(hasSucceeded(report));
    });

    it("keeps the rate and ends with the duration", async () => {
      await using server = await startServer();
      const report = await run(server.url, "--rate", "40", "--duration", "1");
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
      await using server = await startServer({
        welcome: (socket) => void setTimeout(greet, 100, socket),
      });
      const report = await run(server.url, "--rate", "40", "--duration", "1", "--concurrency", "1");
      assert.deepEqual(report.failures, []);
      assert(report.connections.attempted < report.connections.planned);
      assert(!hasSucceeded(report));
      assert.match(
        render(report),
        /\nThe rate was not reached: raise --concurrency, [^\n]+\nSomething failed\.\n$/,
      );
    });

    it("ends in time without greetings", async () => {
      await using server = await startServer({ welcome: () => undefined });
      const report = await runUntilTimeout(
        server.url,
        "--rate",
        "20",
        "--duration",
        "1",
        "--concurrency",
        "1",
      );
      assert.equal(report.connections.planned, 20);
      assert(report.connections.attempted <= 8, `${report.connections.attempted} attempted`);
      assert.equal(report.connections.connected, 0);
      assert(!hasSucceeded(report));
      assert.deepEqual(report.failures, [
        { reason: "timeout", detail: "connect", count: report.connections.attempted },
      ]);
      // All 20 would take 6 s.
      assert(report.seconds < 5, `${report.seconds} s`);
    });

    it("counts refused upgrades by status", async () => {
      await using server = await startServer({ refuseWith: 403 });
      const report = await run(server.url, "--rate", "100", "--total", "5");
      assert.deepEqual(report.failures, [{ reason: "http", detail: "403", count: 5 }]);
      assert.equal(report.connections.connected, 0);
      assert.equal(report.connections.connectMs, null);
      assert(!hasSucceeded(report));
    });

    it("counts connections that are closed before the greeting", async () => {
      await using server = await startServer({
        welcome: (socket) => {
          socket.close(1013);
        },
      });
      const report = await run(server.url, "--rate", "100", "--total", "5");
      assert.deepEqual(report.failures, [{ reason: "closed", detail: "1013", count: 5 }]);
    });

    it("counts connections that end without a closing handshake", async () => {
      await using server = await startServer({
        welcome: (socket) => {
          greet(socket);
          socket.terminate();
        },
      });
      const report = await run(server.url, "--rate", "100", "--total", "5");
      assert.equal(
        report.failures.reduce((sum, { count }) => sum + count, 0),
        5,
      );
      assert(report.failures.every(({ reason }) => reason === "closed" || reason === "reset"));
    });

    it("counts refused connections", async () => {
      const server = await startServer();
      await server[Symbol.asyncDispose]();
      const report = await run(server.url, "--rate", "100", "--total", "5");
      assert.deepEqual(report.failures, [{ reason: "refused", detail: "ECONNREFUSED", count: 5 }]);
    });

    it("counts failures of TLS", async () => {
      await using server = await startServer();
      const url = new URL(server.url);
      url.protocol = "wss:";
      const report = await run(url, "--rate", "100", "--total", "2");
      assert.deepEqual(
        report.failures.map(({ reason, count }) => ({ reason, count })),
        [{ reason: "tls", count: 2 }],
      );
    });
  });

  describe("certificates", () => {
    it("are not checked on a loopback host, and the report contains that", async () => {
      await using server = await startServer({ tls: await selfSigned() });
      const report = await run(server.url, "--total", "1");
      assert.equal(report.certificate, "not checked: loopback host");
      assert.equal(report.connections.connected, 1);
    });

    it("that are self-signed count as a failure if they are checked", async () => {
      await using server = await startServer({ tls: await selfSigned() });
      const options = optionsFor(server.url, "--total", "1");
      assert(options.mode === "churn");
      const target = { url: server.url, verifyCertificate: true, timeoutMs: 5000 };
      const { failures } = await churn(options, target, ignoreProgress, NEVER);
      assert.deepEqual(failures, [{ reason: "tls", detail: "DEPTH_ZERO_SELF_SIGNED_CERT", count: 1 }]);
    });
  });

  describe("sustained", () => {
    const args = ["--mode", "sustained", "--connections", "5", "--rate", "200", "--total", "40"];

    it("fails if --duration ends before all connections are open", async () => {
      await using server = await startServer({
        welcome: (socket) => void setTimeout(greet, 700, socket),
      });
      const args = ["--mode", "sustained", "--connections", "120", "--total", "1", "--duration", "1"];
      const report = await run(server.url, ...args);
      assert.deepEqual(report.failures, []);
      // Two rounds of 50, the second one incomplete on a slow machine.
      const { attempted } = report.connections;
      assert(attempted >= 50 && attempted <= 100, `${attempted} attempted`);
      assert(!hasSucceeded(report));
      assert.match(
        render(report),
        /\nNot all connections were opened within --duration: [^\n]+\nSomething failed\.\n$/,
      );
    });

    it("counts and measures every copy of every message", async () => {
      await using server = await startServer();
      const report = await run(server.url, ...args);
      assert.equal(report.connections.connected, 5);
      assert.equal(report.messages?.sent, 40);
      assert.equal(report.messages.lagMs?.count, 40);
      const { roundTripMs, fanOutMs, ...counts } = deliveriesOf(report);
      assert.deepEqual(counts, { expected: 200, received: 200, missing: 0, duplicated: 0, foreign: 0 });
      assert.equal(roundTripMs?.count, 40);
      assert.equal(fanOutMs?.count, 160);
      assert(hasSucceeded(report));
    });

    it("detects lost copies", async () => {
      let copies = 0;
      await using server = await startServer({
        deliver: (clients, frame) => {
          for (const client of clients) if (++copies % 10 !== 0) client.send(frame);
        },
      });
      const report = await run(server.url, ...args, "--timeout", "1");
      const { expected, received, missing, duplicated } = deliveriesOf(report);
      assert.deepEqual(
        { expected, received, missing, duplicated },
        { expected: 200, received: 180, missing: 20, duplicated: 0 },
      );
      assert.deepEqual(report.failures, []);
      assert(!hasSucceeded(report));
    });

    it("detects duplicates, also of the last copy", async () => {
      let copies = 0;
      await using server = await startServer({
        deliver: (clients, frame) => {
          for (const client of clients) {
            client.send(frame);
            if (++copies % 20 === 0) client.send(frame);
          }
        },
      });
      const report = await run(server.url, ...args);
      const { received, missing, duplicated } = deliveriesOf(report);
      assert.deepEqual({ received, missing, duplicated }, { received: 200, missing: 0, duplicated: 10 });
      assert(!hasSucceeded(report));
    });

    it("counts other clients' messages separately", async () => {
      const theirs = ["hello", { run: "another", sequence: 0, sender: 0, dueAt: 0 }];
      await using server = await startServer({
        deliver: (clients, frame) => {
          for (const message of theirs) broadcast(clients, JSON.stringify({ message }));
          broadcast(clients, frame);
        },
      });
      const report = await run(server.url, ...args);
      const { received, duplicated, foreign } = deliveriesOf(report);
      assert.deepEqual({ received, duplicated, foreign }, { received: 200, duplicated: 0, foreign: 400 });
      assert(hasSucceeded(report));
    });

    it("continues after a lost connection, and expects no more of it", async () => {
      let messages = 0;
      await using server = await startServer({
        deliver: (clients, frame, from) => {
          if (++messages === 10) from.close(1008);
          broadcast(clients, frame);
        },
      });
      // For a whole second: after a pause of this process, many are sent at once.
      const report = await run(server.url, ...args, "--total", "200", "--timeout", "1");
      assert.deepEqual(report.failures, [{ reason: "closed", detail: "1008", count: 1 }]);
      assert.equal(report.messages?.sent, 200);
      assert(deliveriesOf(report).expected < 1000);
      assert(!hasSucceeded(report));
    });

    it("counts the errors of the server by code", async () => {
      await using server = await startServer({
        deliver: (clients, frame, from) => {
          from.send('{"error":{"code":"too_many","message":"slower"}}');
          broadcast(clients, frame);
        },
      });
      const report = await run(server.url, ...args);
      assert.deepEqual(report.failures, [{ reason: "server", detail: "too_many", count: 40 }]);
    });

    it("ends at once without connections", async () => {
      await using server = await startServer({ refuseWith: 503 });
      const report = await run(server.url, ...args, "--duration", "60");
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

function deliveriesOf({ deliveries }: LoadTestReport): NonNullable<LoadTestReport["deliveries"]> {
  assert(deliveries !== null);
  return deliveries;
}

async function selfSigned(): Promise<{ key: string; cert: string }> {
  const { private: key, cert } = await generate([{ name: "commonName", value: "localhost" }]);
  return { key, cert };
}
