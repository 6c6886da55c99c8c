/** The server of the Apollo example, without a stack. */
import assert from "node:assert/strict";
import { waitUntil } from "../support/waitUntil.ts";
import { BACKPLANES, startBackplane } from "./support/backplanes.ts";
import { APOLLO, postBody, subscribe } from "./support/graphqlClient.ts";
import {
  checkTypes,
  INSTALL_TIMEOUT_MS,
  installServer,
  type ServerProcess,
  startServer,
} from "./support/servers.ts";

const addressOf = ({ port }: ServerProcess): string => `127.0.0.1:${port}/graphql`;

async function askServer(server: ServerProcess, body: string): Promise<string> {
  const headers = { "Content-Type": "application/json" };
  const response = await fetch(`http://${addressOf(server)}`, { method: "POST", headers, body });
  return response.text();
}

describe("the server of examples/apollo-subscriptions", function () {
  this.timeout(40_000);

  before(async function () {
    this.timeout(INSTALL_TIMEOUT_MS);
    await installServer(APOLLO);
  });

  it("has no type errors", () => checkTypes(APOLLO));

  it("needs no backplane with one task", async () => {
    await using server = await startServer(APOLLO);
    using subscription = subscribe(`ws://${addressOf(server)}`);
    await subscription.connected();
    await askServer(server, postBody("first"));
    assert.equal((await subscription.next()).text, "first");
  });

  it("refuses input that is out of bounds", async () => {
    await using server = await startServer(APOLLO);
    assert.match(await askServer(server, postBody("")), /`text`: got 0 characters; expected 1 to 1000/);
    const query = "{ messages(last: 1001) { id } }";
    assert.match(await askServer(server, JSON.stringify({ query })), /`last`: got 1001; expected 1 to 1000/);
    using subscription = subscribe(`ws://${addressOf(server)}`, "yesterday");
    await assert.rejects(subscription.next(), /`after`: got yesterday/);
  });

  it("ends after SIGTERM, and closes the subscriptions with 1001", async () => {
    await using server = await startServer(APOLLO);
    using subscription = subscribe(`ws://${addressOf(server)}`);
    const task = await subscription.connected();
    assert.equal(await server.terminate(), 0);
    assert.deepEqual(subscription.history.slice(0, 2), [task, 1001]);
  });

  for (const kind of BACKPLANES) {
    it(`sends the messages of every task, and after a task has ended, through Valkey (${kind})`, async function () {
      await using backplane = await startBackplane(this, kind);
      await using one = await startServer(APOLLO, backplane.environment);
      await using other = await startServer(APOLLO, backplane.environment);

      let server = one;
      using subscription = subscribe(() => `ws://${addressOf(server)}`);
      const task = await subscription.connected();
      await askServer(other, postBody("first"));
      const first = await subscription.next();
      assert.equal(first.text, "first");
      assert.notEqual(first.task, task, "The message must come through the other task.");

      server = other;
      const ended = one.terminate();
      await waitUntil(() => subscription.history.includes(1001));
      await askServer(other, postBody("while the client is away"));
      assert.equal((await subscription.next()).text, "while the client is away");
      assert.deepEqual(subscription.history, [task, 1001, first.task]);
      assert.equal(await ended, 0);
    });
  }
});
