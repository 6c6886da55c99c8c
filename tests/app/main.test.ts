import assert from "node:assert/strict";
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";

import { checkHealth } from "../../app/src/http/health.ts";
import { connect } from "./support/client.ts";
import { listen } from "./support/listen.ts";
import { MAIN, run, runServer } from "./support/processes.ts";
import { closeFrameStart, connectRaw } from "./support/rawClient.ts";
import { tearDown } from "./support/teardown.ts";

const STUCK = fileURLToPath(new URL("fixtures/stuck.ts", import.meta.url));
const SIGNAL_ON_LOAD = new URL("fixtures/signalOnLoad.ts", import.meta.url).href;

function messagesIn(output: string): string[] {
  const lines = output.split("\n").map((line) => JSON.parse(line) as { readonly msg?: string });
  // Lines without a message are metrics.
  return lines.flatMap(({ msg }) => msg ?? []);
}

describe("the process", () => {
  afterEach(tearDown);

  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    it(`drains on ${signal} and exits with 0`, async () => {
      const child = await runServer();
      const client = await connect(`ws://127.0.0.1:${child.port}/wss`);
      client.send("last words");
      assert.equal(await client.nextMessage(), "last words");
      child.kill(signal);
      assert.equal((await client.closed).code, 1001);
      const { code, output } = await child.ended;
      assert.equal(code, 0);
      assert.deepEqual(messagesIn(output), ["listening", "shutting down", "draining", "drained", "stopped"]);
    });
  }

  // The first and the last of what the boot loads.
  for (const specifier of ["pino", "ws"]) {
    it(`shuts down in order on SIGTERM during its boot, while it loads ${specifier}`, async () => {
      const { code, output } = await run(MAIN, [], {
        HOST: "127.0.0.1",
        PORT: "0",
        WEBSOCKET_METRICS_PORT: "0",
        NODE_OPTIONS: `--import=${SIGNAL_ON_LOAD}`,
        SIGNAL: "SIGTERM",
        SIGNAL_ON_LOAD: specifier,
      }).ended;
      assert.equal(code, 0);
      assert.deepEqual(messagesIn(output), ["listening", "shutting down", "draining", "drained", "stopped"]);
    });
  }

  it("reports the reason if its boot fails after SIGTERM", async () => {
    const first = await runServer();
    const { code, errors } = await run(MAIN, [], {
      HOST: "127.0.0.1",
      PORT: String(first.port),
      NODE_OPTIONS: `--import=${SIGNAL_ON_LOAD}`,
      SIGNAL: "SIGTERM",
      SIGNAL_ON_LOAD: "pino",
    }).ended;
    assert.equal(code, 1);
    assert.match(errors, /^`\w+`: got \d+, which is in use on 127\.0\.0\.1;[^\n]+\n$/);
  });

  it("terminates a client that never closes, in time, and still exits with 0", async () => {
    const child = await runServer({ WEBSOCKET_DRAIN_SECONDS: "1" });
    const stubborn = await connectRaw(child.port);
    child.kill("SIGTERM");
    await stubborn.seen(closeFrameStart(1001));
    const { code, output } = await child.ended;
    assert.equal(code, 0);
    assert.match(output, /"terminated":1,"msg":"drained"/);
  });

  it("exits with 1 when the shutdown misses its deadline", async () => {
    const child = run(STUCK, ["0.1"], {});
    await child.line((line) => line === "ready");
    child.kill("SIGTERM");
    const { code, output } = await child.ended;
    assert.equal(code, 1);
    assert.match(output, /deadline missed/);
  });

  it("exits with 1 at once at a second signal", async () => {
    const child = await runServer({ WEBSOCKET_DRAIN_SECONDS: "100" });
    const stubborn = await connectRaw(child.port);
    child.kill("SIGTERM");
    await stubborn.seen(closeFrameStart(1001));
    child.kill("SIGINT");
    assert.equal((await child.ended).code, 1);
  });

  it("logs JSON, `listening` once, and no message", async () => {
    const child = await runServer({ WEBSOCKET_LOG_LEVEL: "trace" });
    const client = await connect(`ws://127.0.0.1:${child.port}/wss`);
    client.send("a secret");
    await client.nextMessage();
    client.webSocket.send("a secret, badly");
    await client.next();
    child.kill("SIGTERM");
    const { output } = await child.ended;
    const lines = output.split("\n").map((line) => JSON.parse(line) as { msg: string });
    assert.equal(lines.filter(({ msg }) => msg === "listening").length, 1);
    assert.ok(lines.some(({ msg }) => msg === "connection closed"));
    assert.doesNotMatch(output, /secret/);
  });

  it("reports a port that is in use, in one line", async () => {
    const first = await runServer();
    const { code, output, errors } = await run(MAIN, [], { HOST: "127.0.0.1", PORT: String(first.port) })
      .ended;
    assert.equal(code, 1);
    assert.equal(output, "", "no metrics of a server that never served");
    assert.equal(
      errors,
      `\`PORT\`: got ${first.port}, which is in use on 127.0.0.1; expected a free port, or 0 for any free port.\n`,
    );
  });

  it("reports a port of the metrics that is in use, and exits", async () => {
    const first = await runServer();
    const { code, errors } = await run(MAIN, [], {
      HOST: "127.0.0.1",
      PORT: "0",
      WEBSOCKET_METRICS_PORT: String(first.port),
    }).ended;
    assert.equal(code, 1);
    assert.match(
      errors,
      new RegExp(
        `^\`WEBSOCKET_METRICS_PORT\`: got ${first.port}, which is in use on 127\\.0\\.0\\.1;[^\\n]+\\n$`,
      ),
    );
  });

  it("reports an illegal HOST, in one line", async () => {
    const { code, errors } = await run(MAIN, [], { HOST: "192.0.2.1", PORT: "0", WEBSOCKET_ACCESS: "open" })
      .ended;
    assert.equal(code, 1);
    assert.equal(errors, '`HOST`: got "192.0.2.1"; expected an address of this machine.\n');
  });

  it("reports all problems of the environment without a stack trace", async () => {
    const { code, errors } = await run(MAIN, [], { PORT: "http", WEBSOCKET_DRAIN_SECOND: "3" }).ended;
    assert.equal(code, 1);
    assert.equal(
      errors,
      "The environment is not usable:\n" +
        '  `PORT`: got "http"; expected a whole number from 0 to 65535 (TCP port).\n' +
        "  `WEBSOCKET_DRAIN_SECOND`: got an unknown variable; expected a known one (did you mean WEBSOCKET_DRAIN_SECONDS?).\n",
    );
  });

  it("rejects an unknown argument", async () => {
    const { code, errors } = await run(MAIN, ["helth"], {}).ended;
    assert.equal(code, 1);
    assert.match(errors, /^Unknown argument "helth"\. Did you mean "health"\?[^\n]*\n$/);
  });

  describe("as health check", () => {
    const check = (port: number, host = "127.0.0.1"): ReturnType<typeof run>["ended"] =>
      run(MAIN, ["health"], { HOST: host, PORT: String(port), WEBSOCKET_ACCESS: "open" }).ended;

    it("exits with 0 if the server is healthy, on any interface", async () => {
      const child = await runServer();
      assert.deepEqual(await check(child.port), { code: 0, output: "", errors: "" });
      assert.equal((await check(child.port, "0.0.0.0")).code, 0);
    });

    it("exits with 1 and prints the reason while the server drains", async () => {
      const child = await runServer({ WEBSOCKET_DRAIN_SECONDS: "100" });
      const stubborn = await connectRaw(child.port);
      child.kill("SIGTERM");
      await stubborn.seen(closeFrameStart(1001));
      const { code, errors } = await check(child.port);
      assert.equal(code, 1);
      assert.equal(errors, `http://127.0.0.1:${child.port}/health answers 503.\n`);
    });

    it("exits with 1 and prints the reason if no server listens", async () => {
      const child = await runServer();
      child.kill("SIGTERM");
      await child.ended;
      const { code, errors } = await check(child.port);
      assert.equal(code, 1);
      assert.match(errors, /^http:\/\/127\.0\.0\.1:\d+\/health does not answer: .*ECONNREFUSED.*\n$/);
    });

    it("prints the reason if the server does not answer", async () => {
      const port = await listen(createServer(() => undefined));
      await assert.rejects(checkHealth({ host: "127.0.0.1", port }, 50), {
        message: `http://127.0.0.1:${port}/health does not answer: no answer in 50 ms`,
      });
    });

    it("requests the address on which the server listens", async () => {
      const { port } = await runServer();
      // Another address of this machine, on which no server listens.
      await assert.rejects(checkHealth({ host: "127.0.0.2", port }, 500), {
        message: new RegExp(`^http://127\\.0\\.0\\.2:${port}/health does not answer: `),
      });
    });

    it("requires a port", async () => {
      const { code, errors } = await check(0);
      assert.equal(code, 1);
      assert.match(errors, /^`PORT`: got 0;/);
    });
  });
});
