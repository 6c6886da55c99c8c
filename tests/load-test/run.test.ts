import assert from "node:assert/strict";

import { generate } from "selfsigned";

import { churn } from "../../load-test/churn.ts";
import { parseOptions, type Options } from "../../load-test/options.ts";
import { noProgress, type Progress } from "../../load-test/progress.ts";
import { render, succeeded, type Report } from "../../load-test/report.ts";
import { runLoadTest } from "../../load-test/run.ts";
import { broadcast, greet, startServer } from "./server.ts";

const NEVER = new AbortController().signal;

function optionsFor(url: URL, ...args: string[]): Options {
  const options = parseOptions([url.href, ...args]);
  assert(options !== "help");
  return options;
}

async function run(url: URL, ...args: string[]): Promise<Report> {
  return await runLoadTest(optionsFor(url, ...args), noProgress, NEVER);
}

/** As {@link run}, with a shorter time-out than the command line grants, for what is certain to run into it. */
async function runInVain(url: URL, ...args: string[]): Promise<Report> {
  return await runLoadTest({ ...optionsFor(url, ...args), timeout: 0.3 }, noProgress, NEVER);
}

describe("load test", () => {
  describe("churn", () => {
    it("opens as many connections as asked, and nothing fails", async () => {
      await using server = await startServer();
      const report = await run(server.url, "--rate", "200", "--total", "50");
      assert.equal(report.connections.planned, 50);
      assert.equal(report.connections.attempted, 50);
      assert.equal(report.connections.connected, 50);
      assert.equal(report.connections.connectMs?.count, 50);
      assert.deepEqual(report.failures, []);
      assert.equal(report.interrupted, false);
      assert(succeeded(report));
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

    it("does not succeed where the rate was not reached, though nothing failed", async () => {
      await using server = await startServer({
        welcome: (socket) => void setTimeout(greet, 100, socket),
      });
      const report = await run(server.url, "--rate", "40", "--duration", "1", "--concurrency", "1");
      assert.deepEqual(report.failures, []);
      assert(report.connections.attempted < report.connections.planned);
      assert(!succeeded(report));
      assert.match(
        render(report),
        /\nThe rate was not reached: raise --concurrency, [^\n]+\nSomething failed\.\n$/,
      );
    });

    it("stays bounded in time where nothing is greeted", async () => {
      await using server = await startServer({ welcome: () => undefined });
      const report = await runInVain(server.url, "--rate", "20", "--duration", "1", "--concurrency", "1");
      assert.equal(report.connections.planned, 20);
      assert(report.connections.attempted <= 8, `${report.connections.attempted} attempted`);
      assert.equal(report.connections.connected, 0);
      assert(!succeeded(report));
      assert.deepEqual(report.failures, [
        { reason: "timeout", detail: "connect", count: report.connections.attempted },
      ]);
      // All 20 would take 6 s.
      assert(report.seconds < 5, `${report.seconds} s`);
    });

    it("counts an upgrade that is answered with a status", async () => {
      await using server = await startServer({ refuseWith: 403 });
      const report = await run(server.url, "--rate", "100", "--total", "5");
      assert.deepEqual(report.failures, [{ reason: "http", detail: "403", count: 5 }]);
      assert.equal(report.connections.connected, 0);
      assert.equal(report.connections.connectMs, null);
      assert(!succeeded(report));
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

    it("counts connections that break without a closing handshake", async () => {
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

    it("counts refused connections where nothing listens", async () => {
      const server = await startServer();
      await server[Symbol.asyncDispose]();
      const report = await run(server.url, "--rate", "100", "--total", "5");
      assert.deepEqual(report.failures, [{ reason: "refused", detail: "ECONNREFUSED", count: 5 }]);
    });

    it("counts a server that speaks no TLS", async () => {
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
    it("are not checked on a loopback host, which the report says", async () => {
      await using server = await startServer({ tls: await selfSigned() });
      const report = await run(server.url, "--total", "1");
      assert.equal(report.certificate, "not checked: loopback host");
      assert.equal(report.connections.connected, 1);
    });

    it("that nobody signed count as a failure where they are checked", async () => {
      await using server = await startServer({ tls: await selfSigned() });
      const options = optionsFor(server.url, "--total", "1");
      assert(options.mode === "churn");
      const target = { url: server.url, verifyCertificate: true, timeoutMs: 5000 };
      const { failures } = await churn(options, target, noProgress, NEVER);
      assert.deepEqual(failures, [{ reason: "tls", detail: "DEPTH_ZERO_SELF_SIGNED_CERT", count: 1 }]);
    });
  });

  describe("sustained", () => {
    const args = ["--mode", "sustained", "--connections", "5", "--rate", "200", "--total", "40"];

    it("does not succeed where --duration ends before all connections are open", async () => {
      await using server = await startServer({
        welcome: (socket) => void setTimeout(greet, 700, socket),
      });
      const args = ["--mode", "sustained", "--connections", "120", "--total", "1", "--duration", "1"];
      const report = await run(server.url, ...args);
      assert.deepEqual(report.failures, []);
      // Two rounds of 50; of the second one fewer, where this machine is slow.
      const { attempted } = report.connections;
      assert(attempted >= 50 && attempted <= 100, `${attempted} attempted`);
      assert(!succeeded(report));
      assert.match(
        render(report),
        /\nNot all connections were opened within --duration: [^\n]+\nSomething failed\.\n$/,
      );
    });

    it("counts every copy of every message, and measures each", async () => {
      await using server = await startServer();
      const report = await run(server.url, ...args);
      assert.equal(report.connections.connected, 5);
      assert.equal(report.messages?.sent, 40);
      assert.equal(report.messages.lagMs?.count, 40);
      const { roundTripMs, fanOutMs, ...counts } = deliveriesOf(report);
      assert.deepEqual(counts, { expected: 200, received: 200, missing: 0, duplicated: 0, foreign: 0 });
      assert.equal(roundTripMs?.count, 40);
      assert.equal(fanOutMs?.count, 160);
      assert(succeeded(report));
    });

    it("detects what a lossy server loses", async () => {
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
      assert(!succeeded(report));
    });

    it("detects what a server delivers twice, the very last copy included", async () => {
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
      assert(!succeeded(report));
    });

    it("ignores other people's messages, and counts them apart", async () => {
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
      assert(succeeded(report));
    });

    it("goes on without a connection that is lost, and expects nothing more of it", async () => {
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
      assert(!succeeded(report));
    });

    it("counts errors that the server answers with, by their code", async () => {
      await using server = await startServer({
        deliver: (clients, frame, from) => {
          from.send('{"error":{"code":"too_many","message":"slower"}}');
          broadcast(clients, frame);
        },
      });
      const report = await run(server.url, ...args);
      assert.deepEqual(report.failures, [{ reason: "server", detail: "too_many", count: 40 }]);
    });

    it("ends at once where no connection could be opened", async () => {
      await using server = await startServer({ refuseWith: 503 });
      const report = await run(server.url, ...args, "--duration", "60");
      assert.deepEqual(report.failures, [{ reason: "http", detail: "503", count: 5 }]);
      assert.equal(report.messages?.sent, 0);
      assert(report.seconds < 10, `${report.seconds} s`);
    });

    it("ends early when interrupted, with nothing lost and the summary so far", async () => {
      await using server = await startServer();
      const interrupt = new AbortController();
      const afterTen: Progress = {
        ...noProgress,
        begin: (part) => {
          sending = part === "messages";
        },
        update: (done) => {
          if (sending && done === 10) interrupt.abort();
        },
      };
      let sending = false;
      const report = await runLoadTest(optionsFor(server.url, ...args), afterTen, interrupt.signal);
      assert.equal(report.interrupted, true);
      assert.equal(report.messages?.sent, 10);
      assert.equal(deliveriesOf(report).received, 50);
      assert(succeeded(report));
    });
  });
});

function deliveriesOf({ deliveries }: Report): NonNullable<Report["deliveries"]> {
  assert(deliveries !== null);
  return deliveries;
}

async function selfSigned(): Promise<{ key: string; cert: string }> {
  const { private: key, cert } = await generate([{ name: "commonName", value: "localhost" }]);
  return { key, cert };
}
