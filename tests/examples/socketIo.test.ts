/** The Socket.IO example: its server alone, and its stack. One file, because the packages of the server are installed once. */
import assert from "node:assert/strict";
import { ask } from "../local/support/clients.ts";
import type { StackFixture } from "../local/support/stack.ts";
import { atSuiteEnd } from "../support/atSuiteEnd.ts";
import { BACKPLANES, startBackplane } from "./support/backplanes.ts";
import { exchangeMessages } from "./support/pages.ts";
import {
  checkTypes,
  INSTALL_TIMEOUT_MS,
  installServer,
  type ServerProcess,
  startServer,
} from "./support/servers.ts";
import { type ChatClient, connectChat, SOCKET_IO } from "./support/socketIoClient.ts";
import { deploy, killTask, originOf, startExample } from "./support/stacks.ts";

const urlOf = ({ port }: ServerProcess): string => `http://127.0.0.1:${port}`;

describe("the server of examples/socket.io", function () {
  this.timeout(40_000);

  before(async function () {
    this.timeout(INSTALL_TIMEOUT_MS);
    await installServer(SOCKET_IO);
  });

  it("has no type errors", () => checkTypes(SOCKET_IO));

  it("needs no backplane with one task, and refuses messages that are out of bounds", async () => {
    await using server = await startServer(SOCKET_IO);
    using client = connectChat(urlOf(server), "websocket");
    await client.connected();
    assert.equal(await client.send(""), false);
    assert.equal(await client.send("x".repeat(1001)), false);
    assert.equal(await client.send("first"), true);
    assert.equal((await client.next()).text, "first");
  });

  for (const kind of BACKPLANES) {
    it(`shares messages and the state of its clients through Valkey (${kind})`, async function () {
      await using backplane = await startBackplane(this, kind);
      await using one = await startServer(SOCKET_IO, backplane.environment);
      await using other = await startServer(SOCKET_IO, backplane.environment);

      using client = connectChat(urlOf(one), "websocket");
      using sender = connectChat(urlOf(other), "polling");
      assert.notEqual(await client.connected(), await sender.connected());
      assert.equal(await sender.send("first"), true);
      assert.equal((await client.next()).text, "first");

      client.move(urlOf(other));
      const ended = one.terminate();
      assert.equal(await client.disconnected(), "transport close");
      assert.equal(await sender.send("while the client is away"), true);
      assert.equal((await client.next()).text, "while the client is away");
      assert.equal(client.hasRecovered(), true);
      assert.equal(await ended, 0);
    });
  }
});

/** For the start of new tasks, and the deregistration delay of 10 seconds before the old ones get SIGTERM. */
const DRAIN_MS = 40_000;

describe("examples/socket.io", function () {
  this.timeout(60_000);

  let fixture: StackFixture;

  before(async function () {
    this.timeout(INSTALL_TIMEOUT_MS);
    await installServer(SOCKET_IO);
    fixture = await startExample(SOCKET_IO, "dev");
    atSuiteEnd(this, () => fixture.stack.close());
  });

  /** Two clients that are connected to different tasks. */
  async function connectTwo(): Promise<{ one: ChatClient; other: ChatClient; task: string } & Disposable> {
    using clients = new DisposableStack();
    const one = clients.use(connectChat(originOf(fixture), "websocket"));
    const task = await one.connected();
    for (let n = 0; n < 10; n++) {
      const other = clients.use(connectChat(originOf(fixture), "websocket"));
      if ((await other.connected()) === task) continue;
      const moved = clients.move();
      return {
        one,
        other,
        task,
        [Symbol.dispose]: () => {
          moved.dispose();
        },
      };
    }
    assert.fail("All clients are connected to one task.");
  }

  it("sends the messages of one task to the clients of the other", async () => {
    using clients = await connectTwo();
    assert.equal(await clients.one.send("from one"), true);
    const message = await clients.other.next();
    assert.equal(message.text, "from one");
    assert.equal(message.task, clients.task);
  });

  it("keeps each client with long polling on its task", async () => {
    using all = new DisposableStack();
    const clients = Array.from({ length: 4 }, () => all.use(connectChat(originOf(fixture), "polling")));
    const tasks = await Promise.all(clients.map((client) => client.connected()));
    assert.equal(new Set(tasks).size, 2, "The clients must be on both tasks.");
    for (const [n, client] of clients.entries()) {
      const text = `from ${n}`;
      assert.equal(await client.send(text), true);
      for (const each of clients)
        assert.deepEqual(await each.next(), { author: "test", text, task: tasks[n] });
      assert.equal(client.transport(), "polling");
    }
  });

  it("refuses requests to the load balancer without the secret header", async () => {
    assert.equal((await ask(`${fixture.urls.loadBalancer}/health`)).status, 403);
  });

  it("shows the messages in its page", async function () {
    const url = originOf(fixture);
    await exchangeMessages(this, SOCKET_IO, [
      { url, author: "Ada", text: "I am connected by WebSocket." },
      { url: `${url}?transport=polling`, author: "Grace", text: "My proxy allows only long polling." },
    ]);
  });

  it("recovers the state of its clients after a deployment", async () => {
    using client = connectChat(originOf(fixture), "websocket");
    const task = await client.connected();
    // A client recovers from the last message that it has received.
    await client.send("before");
    assert.equal((await client.next()).text, "before");
    const deployed = deploy(fixture);
    assert.equal(await client.disconnected(DRAIN_MS), "transport close");
    assert.notEqual(await client.connected(), task);
    assert.equal(client.hasRecovered(), true);
    await deployed;
    assert.equal(await client.send("after"), true);
    assert.equal((await client.next()).text, "after");
  });

  it("reconnects the clients of a killed task without their state", async () => {
    using clients = await connectTwo();
    const { one, other, task } = clients;
    killTask(fixture, task);
    await one.disconnected();
    assert.notEqual(await one.connected(), task);
    assert.equal(one.hasRecovered(), false);
    assert.equal(await other.send("after"), true);
    assert.equal((await one.next()).text, "after");
  });
});
