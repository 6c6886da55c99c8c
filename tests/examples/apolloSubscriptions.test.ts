/**
 * The Apollo example: its server alone, and its stacks at CloudFront and at the load balancer with its certificate. One file, because the
 * packages of the server are installed once.
 */
import assert from "node:assert/strict";
import { ask } from "../local/support/clients.ts";
import type { StackFixture } from "../local/support/stack.ts";
import { atSuiteEnd } from "../support/atSuiteEnd.ts";
import { waitUntil } from "../support/waitUntil.ts";
import { BACKPLANES, startBackplane } from "./support/backplanes.ts";
import { APOLLO, type Message, postBody, subscribe } from "./support/graphqlClient.ts";
import { exchangeMessages } from "./support/pages.ts";
import {
  checkTypes,
  INSTALL_TIMEOUT_MS,
  installServer,
  type ServerProcess,
  startServer,
} from "./support/servers.ts";
import { deploy, originOf, startExample } from "./support/stacks.ts";

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

const PATH = "/graphql";
const HEADERS = { "Content-Type": "application/json" };

/** Posts a message through the edge. */
async function post(fixture: StackFixture, text: string): Promise<Message> {
  const { status, body } = await ask(
    originOf(fixture) + PATH,
    { method: "POST", headers: HEADERS },
    postBody(text),
  );
  assert.equal(status, 200, body);
  return (JSON.parse(body) as { data: { postMessage: Message } }).data.postMessage;
}

/** Posts until another task than the subscriber's has accepted a message. Each of them must be received. */
async function assertMessagesOfOtherTasks(fixture: StackFixture): Promise<void> {
  const { id } = await post(fixture, "before");
  using subscription = subscribe(fixture.urls.websocket, id);
  const task = await subscription.connected();
  const tasks = new Set<string>();
  for (let n = 0; n < 10 && tasks.size < 2; n++) {
    const posted = await post(fixture, `message ${n}`);
    tasks.add(posted.task).add(task);
    assert.deepEqual(await subscription.next(), posted);
  }
  assert.equal(tasks.size, 2, "No other task has accepted a message.");
}

describe("examples/apollo-subscriptions at CloudFront", function () {
  this.timeout(60_000);

  let fixture: StackFixture;

  before(async function () {
    this.timeout(INSTALL_TIMEOUT_MS);
    await installServer(APOLLO);
    fixture = await startExample(APOLLO, "dev", {
      "apollo-subscriptions:service": JSON.stringify({ deregistrationDelaySeconds: 1 }),
    });
    atSuiteEnd(this, () => fixture.stack.close());
  });

  it("has the path of the server in its URL", () => {
    assert.equal(new URL(fixture.urls.websocket).pathname, PATH);
  });

  it("sends the messages of every task to a subscriber", () => assertMessagesOfOtherTasks(fixture));

  it("refuses requests to the load balancer without the secret header", async () => {
    const { status } = await ask(fixture.urls.loadBalancer + PATH);
    assert.equal(status, 403);
  });

  it("shows the messages in its page", async function () {
    const url = originOf(fixture);
    await exchangeMessages(this, APOLLO, [
      { url, author: "Ada", text: "Is the new version out?" },
      { url, author: "Grace", text: "It rolls out now, and we change tasks." },
    ]);
  });

  it("loses no message of a subscriber during a deployment", async () => {
    const { id } = await post(fixture, "before");
    using subscription = subscribe(fixture.urls.websocket, id);
    const task = await subscription.connected();

    let isDeployed = false;
    const deployed = deploy(fixture).finally(() => (isDeployed = true));
    const posted: string[] = [];
    const isDeploying = (): boolean => !isDeployed;
    while (isDeploying()) {
      const text = `message ${posted.length}`;
      posted.push(text);
      await post(fixture, text);
    }
    await deployed;
    posted.push("after");
    await post(fixture, "after");

    for (const text of posted) assert.equal((await subscription.next()).text, text);
    assert.deepEqual(subscription.history.slice(0, 2), [task, 1001]);
    assert.notEqual(subscription.history.at(-1), task);
  });
});

describe("examples/apollo-subscriptions at the load balancer", function () {
  this.timeout(60_000);

  let fixture: StackFixture;

  before(async function () {
    this.timeout(INSTALL_TIMEOUT_MS);
    await installServer(APOLLO);
    fixture = await startExample(APOLLO, "lb");
    atSuiteEnd(this, () => fixture.stack.close());
  });

  it("sends the messages of every task to a subscriber, by TLS", async () => {
    assert.match(fixture.urls.websocket, /^wss:/);
    await assertMessagesOfOtherTasks(fixture);
  });

  it("redirects plain HTTP to the certificate's listener", async () => {
    const { status, headers } = await ask(fixture.urls.plainHttp + PATH);
    assert.equal(status, 301);
    assert.match(headers.location ?? "", /^https:/);
  });
});
