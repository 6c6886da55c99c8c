/** Tasks of the real server with the declared backplane, which valkey-server and the stand-in emulate in turn. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as connectTcp, createServer } from "node:net";
import path from "node:path";
import { Redis } from "iovalkey";
import { connect } from "../../../client/src/index.ts";
import type { DeclaredGraph } from "../../../infra/evaluation/graph.ts";
import { startBackplane } from "../../../local/runtime/backplane.ts";
import { readBackplane } from "../../../local/model/backplane.ts";
import { atSuiteEnd } from "../../support/atSuiteEnd.ts";
import { connectTo, TrustingWebSocket } from "../../support/localStack.ts";
import { declaredGraph } from "../../support/stacks.ts";
import { requireValkey } from "../../support/valkey.ts";
import { ROOT } from "../support/paths.ts";
import { type StackFixture, running } from "../support/stack.ts";

const TASKS = 3;

const ignore = (): void => undefined;

const FORBIDDEN_COMMANDS = [
  ...["TIME", "KEYS *", "SELECT 1", "FLUSHALL", "MEMORY USAGE k", "XINFO STREAM k", "CONFIG GET *"],
  ...["CLIENT KILL TYPE normal", "SCRIPT FLUSH"],
];

async function errorOf(reply: Promise<unknown>): Promise<string> {
  try {
    return `no error, but ${String(await reply)}`;
  } catch (error) {
    assert.ok(error instanceof Error);
    return error.message;
  }
}

describe("the local backplane", function () {
  // Three servers start at once on a busy machine.
  this.timeout(60_000);

  let graph: DeclaredGraph;

  before(async () => {
    graph = await declaredGraph("dev");
  });

  for (const emulator of ["valkey-server", "the stand-in"]) {
    describe(`of ${emulator}`, () => {
      let fixture: StackFixture;

      before(async function () {
        const valkeyServer = emulator === "valkey-server" ? await requireValkey(this) : undefined;
        fixture = await running(graph, {
          tasks: TASKS,
          valkeyServer,
          entry: path.join(ROOT, "app", "src", "main.ts"),
        });
        atSuiteEnd(this, () => fixture.stack.close());
      });

      it("delivers every message to the clients of all tasks in one order", async () => {
        const { websocket } = fixture.stack.urls;
        const clients = await Promise.all(Array.from({ length: 2 * TASKS }, () => connectTo(websocket)));
        const open = fixture.stack.status().map(({ open: count }) => count);
        assert.ok(
          open.every((count) => count > 0),
          `a client on every task: ${open.join()}`,
        );

        for (const [index, client] of clients.entries()) client.send({ from: index });
        const received = await Promise.all(
          clients.map(async (client) => {
            const frames: unknown[] = [];
            while (frames.length < clients.length) frames.push(await client.next());
            return frames;
          }),
        );
        for (const frames of received) assert.deepEqual(frames, received[0]);
        assert.equal(new Set(received[0]?.map((frame) => JSON.stringify(frame))).size, clients.length);
        for (const client of clients) client.close();
      });

      it("is named in the summary, and no event contains its password", () => {
        const events = JSON.stringify(fixture.events);
        assert.match(events, /valkey 8, at most 1 GB, emulated by /);
        assert.ok(!events.includes(readBackplane(graph)?.user.password ?? ""));
      });
    });
  }

  it("refuses the commands that ElastiCache Serverless refuses, with the same errors from both", async function () {
    const backplane = readBackplane(graph);
    assert.ok(backplane);
    const errorsOf = async (valkeyServer: string | undefined): Promise<readonly string[]> => {
      const running = await startBackplane(backplane, valkeyServer, ignore);
      const { host, port } = running.address;
      const { name: username, password } = backplane.user;
      const client = new Redis({ host, port, username, password });
      try {
        const errors: string[] = [];
        for (const command of FORBIDDEN_COMMANDS) {
          const [name = "", ...args] = command.split(" ");
          errors.push(await errorOf(client.call(name, ...args)));
          const call = `return redis.call(${[name, ...args].map((word) => `'${word}'`).join(", ")})`;
          const inScript = await errorOf(client.call("EVAL", call, "0"));
          assert.match(
            inScript,
            /^ERR (?:ACL failure in script|This Valkey command is not allowed from script)/,
          );
        }
        // The user may run these commands, but not from a script.
        for (const call of ["'CLIENT', 'SETNAME', 'x'", "'EVAL', 'return 1', '0'"]) {
          const inScript = await errorOf(client.call("EVAL", `return redis.call(${call})`, "0"));
          assert.match(inScript, /^ERR This Valkey command is not allowed from script/);
        }
        return errors;
      } finally {
        client.disconnect();
        await running.close();
      }
    };
    const errors = await errorsOf(undefined);
    for (const error of errors) assert.match(error, /^NOPERM User websocket has no permissions/);
    assert.deepEqual(errors, await errorsOf(await requireValkey(this)));
  });

  it("of the stand-in starts and stops one after the other, and not after its close", async () => {
    const backplane = readBackplane(graph);
    assert.ok(backplane);
    const standIn = await startBackplane(backplane, undefined, ignore);
    const { host, port } = standIn.address;
    await Promise.all([standIn.stop(), standIn.start(), standIn.start()]);
    await once(connectTcp(port, host), "connect");
    await Promise.all([standIn.stop(), standIn.start(), standIn.close(), standIn.start()]);
    const other = createServer().listen(port, host);
    await once(other, "listening");
    await once(other.close(), "close");
  });

  it("of the stand-in can start again after its port was taken", async () => {
    const backplane = readBackplane(graph);
    assert.ok(backplane);
    const standIn = await startBackplane(backplane, undefined, ignore);
    const { host, port } = standIn.address;
    await standIn.stop();
    const other = createServer().listen(port, host);
    await once(other, "listening");
    await assert.rejects(standIn.start(), { code: "EADDRINUSE" });
    await once(other.close(), "close");
    await standIn.start();
    await once(connectTcp(port, host), "connect");
    await standIn.close();
  });

  it("restarts when it ends, and clients continue", async function () {
    await using fixture = await running(graph, {
      valkeyServer: await requireValkey(this),
      entry: path.join(ROOT, "app", "src", "main.ts"),
    });
    const connection = connect(fixture.stack.urls.websocket, { WebSocket: TrustingWebSocket });
    const channel = connection.channel("/", { last: 1 });
    const messages = channel[Symbol.asyncIterator]();
    try {
      await channel.publish("before");
      const { pid, port } = await fixture.next("backplane-started");
      process.kill(pid, "SIGKILL");
      await fixture.next("backplane-ended");
      const published = channel.publish("after");
      const again = await fixture.next("backplane-started", (event) => event.pid !== pid);
      assert.equal(again.port, port);
      await published;
      const seen: unknown[] = [];
      while (seen.at(-1) !== "after") seen.push((await messages.next()).value?.value);
      assert.equal(seen[0], "before");
    } finally {
      await connection.close();
    }
  });

  it("has the declared storage limit and the eviction policy of ElastiCache Serverless", async function () {
    const backplane = readBackplane(graph);
    assert.ok(backplane);
    const { user } = backplane;
    const access = `${user.access} +config|get`;
    const withConfigAccess = { ...backplane, maxGB: 3, user: { ...user, access } };
    const server = await startBackplane(withConfigAccess, await requireValkey(this), ignore);
    const { host, port } = server.address;
    const client = new Redis({ host, port, username: user.name, password: user.password });
    try {
      const config = (await client.call("CONFIG", "GET", "maxmemory", "maxmemory-policy")) as string[];
      assert.deepEqual(config.sort(), ["3221225472", "maxmemory", "maxmemory-policy", "volatile-lru"]);
    } finally {
      client.disconnect();
      await server.close();
    }
  });
});
