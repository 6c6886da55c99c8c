/** Several tasks of the real server, and the backplane that the program declares, by everything that can play it. */
import assert from "node:assert/strict";
import path from "node:path";
import { Redis } from "iovalkey";
import { createValkeyLog } from "../../../app/src/log/valkey/valkeyLog.ts";
import { connect } from "../../../client/src/index.ts";
import type { DeclaredGraph } from "../../../infra/evaluation/graph.ts";
import { type RunningBackplane, startBackplane } from "../../../local/runtime/backplane.ts";
import { type Backplane, readBackplane } from "../../../local/model/backplane.ts";
import { describeLogContract } from "../../app/log/logContract.ts";
import { silent } from "../../app/support.ts";
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

async function refusalOf(answer: Promise<unknown>): Promise<string> {
  try {
    return `not refused, but answered ${String(await answer)}`;
  } catch (error) {
    assert.ok(error instanceof Error);
    return error.message;
  }
}

describe("the local backplane", function () {
  // Three servers start at once, on a busy machine.
  this.timeout(60_000);

  let graph: DeclaredGraph;

  before(async () => {
    graph = await declaredGraph("dev");
  });

  for (const player of ["a real server", "the embedded stand-in"]) {
    describe(`played by ${player}`, () => {
      let fixture: StackFixture;

      before(async function () {
        const valkeyServer = player === "a real server" ? await requireValkey(this) : undefined;
        fixture = await running(graph, {
          tasks: TASKS,
          valkeyServer,
          entry: path.join(ROOT, "app", "src", "main.ts"),
        });
        atSuiteEnd(this, () => fixture.stack.close());
      });

      it("brings every message to the clients of all tasks, in one order", async () => {
        const { websocket } = fixture.stack.urls;
        const clients = await Promise.all(Array.from({ length: 2 * TASKS }, () => connectTo(websocket)));
        const open = fixture.stack.status().map(({ open: count }) => count);
        assert.ok(
          open.every((count) => count > 0),
          `a client on every task: ${open.join()}`,
        );

        for (const [index, client] of clients.entries()) client.send({ from: index });
        const heard = await Promise.all(
          clients.map(async (client) => {
            const frames: unknown[] = [];
            while (frames.length < clients.length) frames.push(await client.next());
            return frames;
          }),
        );
        for (const frames of heard) assert.deepEqual(frames, heard[0]);
        assert.equal(new Set(heard[0]?.map((frame) => JSON.stringify(frame))).size, clients.length);
        for (const client of clients) client.close();
      });

      it("says who plays it, and never the password", () => {
        const told = JSON.stringify(fixture.events);
        assert.match(told, /valkey 8, at most 1 GB, played by /);
        assert.ok(!told.includes(readBackplane(graph)?.user.password ?? ""));
      });
    });
  }

  it("refuses what ElastiCache Serverless refuses, in the same words whoever plays it", async function () {
    const backplane = readBackplane(graph);
    assert.ok(backplane);
    const refusals = async (valkeyServer: string | undefined): Promise<readonly string[]> => {
      const player = await startBackplane(backplane, valkeyServer, ignore);
      const { host, port } = player.address;
      const { name: username, password } = backplane.user;
      const client = new Redis({ host, port, username, password });
      try {
        const words: string[] = [];
        for (const command of FORBIDDEN_COMMANDS) {
          const [name = "", ...args] = command.split(" ");
          words.push(await refusalOf(client.call(name, ...args)));
          const call = `return redis.call(${[name, ...args].map((word) => `'${word}'`).join(", ")})`;
          const inScript = await refusalOf(client.call("EVAL", call, "0"));
          assert.match(
            inScript,
            /^ERR (?:ACL failure in script|This Valkey command is not allowed from script)/,
          );
        }
        // These are allowed, but not to a script.
        for (const call of ["'CLIENT', 'SETNAME', 'x'", "'EVAL', 'return 1', '0'"]) {
          const inScript = await refusalOf(client.call("EVAL", `return redis.call(${call})`, "0"));
          assert.match(inScript, /^ERR This Valkey command is not allowed from script/);
        }
        return words;
      } finally {
        client.disconnect();
        await player.close();
      }
    };
    const words = await refusals(undefined);
    for (const word of words) assert.match(word, /^NOPERM User websocket has no permissions/);
    assert.deepEqual(words, await refusals(await requireValkey(this)));
  });

  it("is replaced when it ends, and clients go on", async function () {
    await using fixture = await running(graph, {
      valkeyServer: await requireValkey(this),
      entry: path.join(ROOT, "app", "src", "main.ts"),
    });
    const channel = connect(fixture.stack.urls.websocket, { WebSocket: TrustingWebSocket });
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
      while (seen.at(-1) !== "after") seen.push((await messages.next()).value?.message);
      assert.equal(seen[0], "before");
    } finally {
      await channel.close();
    }
  });

  describe("of a real server", () => {
    let backplane: Backplane;
    let real: RunningBackplane | undefined;

    before(async function () {
      const declared = readBackplane(graph);
      assert.ok(declared);
      backplane = declared;
      real = await startBackplane(backplane, await requireValkey(this), ignore);
    });

    after(() => real?.close());

    it("has the declared cap, and evicts as the cloud's does", async function () {
      const { user } = backplane;
      const curious: Backplane = {
        ...backplane,
        maxGB: 3,
        user: { ...user, access: `${user.access} +config|get` },
      };
      const server = await startBackplane(curious, await requireValkey(this), ignore);
      const { host, port } = server.address;
      const asking = new Redis({ host, port, username: user.name, password: user.password });
      try {
        const told = (await asking.call("CONFIG", "GET", "maxmemory", "maxmemory-policy")) as string[];
        assert.deepEqual(told.sort(), ["3221225472", "maxmemory", "maxmemory-policy", "volatile-lru"]);
      } finally {
        asking.disconnect();
        await server.close();
      }
    });

    // The access string of the program is all that the log needs.
    describeLogContract("Valkey, with the declared user's rights,", {
      shared: true,
      open: (retention) => {
        const { user } = backplane;
        return createValkeyLog({
          ...retention,
          url: `redis://${user.name}@127.0.0.1:${real?.address.port ?? 0}`,
          password: user.password,
          cluster: false,
          blockMs: 2000,
          publishTimeoutSeconds: 5,
          logger: silent,
        });
      },
    });
  });
});
