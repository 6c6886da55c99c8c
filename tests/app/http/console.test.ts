import assert from "node:assert/strict";
import { createServer } from "node:http";

import type { Browser, Locator, Page } from "playwright-core";

import { launchBrowser } from "../../support/browser.ts";
import { listen } from "../support/listen.ts";
import { startServer } from "../support/server.ts";
import { afterwards, tearDown } from "../support/teardown.ts";
import type { TestServer } from "../support/server.ts";
import { authorizer, createKey, sign, startKeyServer } from "../support/tokens.ts";

/** Removes the features that browsers added between Safari 16 and Safari 18.4. */
const REMOVE_NEW_FEATURES = `
  delete URL.parse;
  delete URL.canParse;
  delete Promise.withResolvers;
  delete Promise.try;
  delete AbortSignal.any;
  delete Object.groupBy;
  delete Map.groupBy;
  delete Array.fromAsync;
  delete globalThis.Iterator;
  for (const name of ["toSorted", "toReversed", "toSpliced", "with"]) delete Array.prototype[name];
  for (const name of ["union", "intersection", "difference"]) delete Set.prototype[name];
`;

describe("the client script", () => {
  afterEach(tearDown);

  it("is one JavaScript module that exports the client", async () => {
    const { origin } = await startServer();
    const [response] = await Promise.all([fetch(`${origin}/client.js`), fetch(`${origin}/client.js`)]);
    assert.equal(response.status, 200);
    assert.equal(response.headers.get("content-type"), "text/javascript; charset=utf-8");
    assert.equal(response.headers.get("access-control-allow-origin"), "*");
    const etag = response.headers.get("etag");
    assert.ok(etag);
    const script = await response.text();
    assert.doesNotMatch(script, /^import /m);
    const exported: unknown = await import(`data:text/javascript,${encodeURIComponent(script)}`);
    assert.ok(typeof exported === "object" && exported !== null);
    assert.deepEqual(Object.keys(exported).sort(), ["ClientError", "DEFAULT_LIMITS", "connect"]);
    const unchanged = await fetch(`${origin}/client.js`, {
      headers: { "If-None-Match": etag, "Cache-Control": "max-age=0" },
    });
    assert.equal(unchanged.status, 304);
  });
});

describe("the console page", function () {
  this.timeout(60_000);

  let browser: Browser | undefined;

  before(async function () {
    browser = await launchBrowser(this);
  });

  after(() => browser?.close());

  afterEach(tearDown);

  async function openPage(server?: TestServer, script = ""): Promise<Page> {
    assert.ok(browser);
    const { origin } = server ?? (await startServer());
    const page = await browser.newPage();
    await page.addInitScript(script);
    afterwards(() => page.close());
    await page.goto(`${origin}/index.html`);
    return page;
  }

  async function connect(page: Page): Promise<void> {
    await page.getByRole("button", { name: "Connect", exact: true }).click();
    await page.getByText("Connected", { exact: true }).waitFor();
  }

  const count = (page: Page, name: string): Promise<string> =>
    page.locator("dl div", { hasText: name }).locator("dd").innerText();

  it("shows the offset of each message, and marks its own messages", async () => {
    const server = await startServer();
    const [one, other] = [await openPage(server), await openPage(server)];
    await connect(one);
    await connect(other);
    for (const [page, text] of [
      [one, "1"],
      [other, "2"],
      [one, "3"],
    ] as const) {
      await page.getByLabel("Message, as JSON").fill(text);
      await page.getByLabel("Message, as JSON").press("Enter");
      await one.getByRole("log").getByText(`#${text}`).waitFor();
    }
    await one
      .getByRole("log")
      .getByText(/^yours, #3, \d/)
      .waitFor();
    assert.equal(await one.locator("#log [data-kind=own]").count(), 2);
    assert.equal(await one.locator("#log [data-kind=message]").count(), 1);
    assert.equal(await count(one, "Received"), "3");
    assert.equal(await one.locator("#channels .offset").innerText(), "#3");
    assert.equal(await count(one, "Acknowledged"), "2");
    assert.match(await count(one, "Round trip"), /^[\d.]+ ms$/);
  });

  it("reconnects, publishes the messages of the meantime, and shows the gap", async () => {
    const server = await startServer();
    const page = await openPage(server);
    await connect(page);
    await page.getByLabel("Message, as JSON").fill('"before"');
    await page.getByRole("button", { name: "Send" }).click();
    await page.getByRole("log").getByText("yours, #1").waitFor();

    await server.drain();
    await server.close();
    await page.getByText("Reconnecting", { exact: true }).waitFor();
    await page.getByText(/^in \d+ s$/).waitFor();
    await page.getByLabel("Message, as JSON").fill('"meanwhile"');
    await page.getByRole("button", { name: "Send" }).click();
    await page.getByText("1 pending").waitFor();

    await startServer({ port: server.address.port });
    await page.getByRole("log").getByText("Reconnected to").waitFor();
    await page.getByRole("log").getByText("Messages after #1 are unrecoverable").waitFor();
    await page.getByRole("log").getByText('"meanwhile"').waitFor();
    assert.equal(await count(page, "Gaps"), "1");
  });

  const joinChannel = async (page: Page, name: string, withLast = true): Promise<void> => {
    await page.getByLabel("Name of a channel").fill(name);
    await page.getByLabel("with the last 50").setChecked(withLast);
    await page.getByRole("button", { name: "Join" }).click();
    await entry(page, name, "Subscribed").first().waitFor();
  };

  /** The log entries of a channel with a text. */
  const entry = (page: Page, channel: string, text: string): Locator =>
    page
      .locator("#log li")
      .filter({ has: page.locator(".channel", { hasText: channel }) })
      .filter({ hasText: text });

  async function send(page: Page, channel: string, text: string): Promise<void> {
    await page.getByLabel("Channel", { exact: true }).selectOption(channel);
    await page.getByLabel("Message, as JSON").fill(text);
    await page.getByRole("button", { name: "Send" }).click();
  }

  it("has several channels on one connection, which it joins and leaves", async () => {
    const server = await startServer();
    const [one, other] = [await openPage(server), await openPage(server)];
    const webSockets: unknown[] = [];
    one.on("websocket", (webSocket) => webSockets.push(webSocket));
    await connect(one);
    await connect(other);
    for (const name of ["room.7", "room.8"]) await joinChannel(one, name);
    await joinChannel(other, "room.7");
    // The channel that was joined last is the one for new messages.
    assert.equal(await one.getByLabel("Channel", { exact: true }).inputValue(), "room.8");
    await send(one, "room.7", '"for room.7"');
    await entry(one, "room.7", "yours, #1").waitFor();
    await entry(other, "room.7", "for room.7").waitFor();
    await send(other, "/", '"for the default channel"');
    await entry(one, "/", "for the default channel").waitFor();
    assert.equal(await entry(one, "room.8", "for").count(), 0);

    await one.getByRole("button", { name: "Leave room.7" }).click();
    await entry(one, "room.7", "Left").waitFor();
    await send(other, "room.7", '"after the end"');
    await entry(other, "room.7", "yours, #2").waitFor();
    await send(other, "/", '"barrier"');
    await entry(one, "/", "barrier").waitFor();
    assert.equal(await entry(one, "room.7", "after the end").count(), 0);

    // With the retained messages, and without them.
    await joinChannel(one, "room.7");
    await entry(one, "room.7", "after the end").waitFor();
    assert.equal(await entry(one, "room.7", "for room.7").count(), 2);
    await one.getByRole("button", { name: "Leave room.7" }).click();
    await one.getByRole("button", { name: "Clear" }).click();
    await joinChannel(one, "room.7", false);
    await entry(one, "room.7", "after #2").waitFor();
    assert.equal(webSockets.length, 1);
  });

  it("subscribes to its channels again after it was disconnected", async () => {
    const page = await openPage();
    await connect(page);
    await joinChannel(page, "room.7");
    await page.getByRole("button", { name: "Disconnect" }).click();
    await page.getByRole("button", { name: "Connect", exact: true }).waitFor();
    await page.getByRole("button", { name: "Clear" }).click();
    await connect(page);
    for (const name of ["/", "room.7"]) await entry(page, name, "Subscribed").waitFor();
  });

  it("shows why a token is not accepted, and disconnects until the user connects again", async () => {
    const key = await createKey("key");
    const { url } = await startKeyServer(key);
    const page = await openPage(await startServer({}, { authorize: authorizer(url) }));
    const errors = page.locator("#log [data-kind=error]");
    const button = page.getByRole("button", { name: "Connect", exact: true });
    for (const [token, reason] of [
      ["", "There is no token."],
      ["no-token", "The token is not valid."],
    ] as const) {
      await page.getByLabel("Token, if required").fill(token);
      await button.click();
      await errors.filter({ hasText: reason }).filter({ hasText: "unauthorized" }).waitFor();
      await page.getByText("Disconnected", { exact: true }).first().waitFor();
    }
    await page.getByLabel("Token, if required").fill(await sign(key));
    await connect(page);
  });

  it("shows who has sent a message, and the error of a channel that the token does not grant", async () => {
    const key = await createKey("key");
    const server = await startServer({}, { authorize: authorizer((await startKeyServer(key)).url) });
    const [alice, bob] = [await openPage(server), await openPage(server)];
    for (const [page, sub] of [
      [alice, "alice"],
      [bob, "bob"],
    ] as const) {
      await page.getByLabel("Token, if required").fill(await sign(key, { sub, channels: ["room.*"] }));
      await connect(page);
      await page.getByRole("log").getByText(`as ${sub}`).waitFor();
      // The default channel.
      await entry(page, "/", "forbidden").waitFor();
      await joinChannel(page, "room.7");
    }
    assert.equal(await alice.locator("#channels li").count(), 1);
    await send(alice, "room.7", '"from alice"');
    await entry(bob, "room.7", "alice, #1").waitFor();
  });

  it("reports a name that no channel can have", async () => {
    const page = await openPage();
    await connect(page);
    await page.getByLabel("Name of a channel").fill("a/b");
    await page.getByRole("button", { name: "Join" }).click();
    await page.getByRole("log").getByText("invalid_channel").waitFor();
    assert.equal(await page.locator("#channels li").count(), 1);
  });

  it("rejects text that is not JSON, and shows the error of a rejected message", async () => {
    const page = await openPage(await startServer({ maxPayloadBytes: 100 }));
    await connect(page);
    await page.getByLabel("Message, as JSON").fill("{not json");
    await page.getByText("The message is not JSON and cannot be sent.").waitFor();
    await page.getByRole("button", { name: "Send" }).click();
    await page.getByRole("log").getByText("invalid_json").waitFor();
    await page.getByLabel("Message, as JSON").fill(JSON.stringify("x".repeat(200)));
    await page.getByRole("button", { name: "Send" }).click();
    await page.getByRole("log").getByText("too_large").waitFor();
  });

  it("shows the URL of a failed connection", async () => {
    const page = await openPage();
    // No server listens on the port of tcpmux.
    const unreachable = "ws://127.0.0.1:1/wss";
    await page.getByLabel("Server").fill(unreachable);
    await page.getByRole("button", { name: "Connect", exact: true }).click();
    await page.getByRole("log").getByText(`Could not connect to ${unreachable}`).first().waitFor();
    await page.getByRole("button", { name: "Disconnect" }).click();
    await page.getByText("Disconnected", { exact: true }).first().waitFor();
  });

  it("reports a path that is not the server's, and does not connect", async () => {
    const page = await openPage();
    const { host } = new URL(page.url());
    const log = page.getByRole("log");
    for (const path of ["/nope", "/wss/room.7", "/wss/a/b"]) {
      await page.getByLabel("Server").fill(`ws://${host}${path}`);
      await page.getByRole("button", { name: "Connect", exact: true }).click();
      await log.getByText(`Server: got the path ${path}; expected /wss, and the names`).waitFor();
    }
    await page.getByText("Disconnected", { exact: true }).first().waitFor();
    assert.equal(await log.getByText("Could not connect").count(), 0);
  });

  it("reports a malformed URL, and does not connect", async () => {
    const page = await openPage();
    const log = page.getByRole("log");
    for (const [address, problem] of [
      [
        "localhost:8443/wss",
        "Server: got localhost:8443/wss; expected a WebSocket URL, such as wss://localhost:8443/wss",
      ],
      ["ftp://host/wss", "Server: got ftp://host/wss; expected a WebSocket URL, such as wss://host/wss"],
      ["wss://host:99999/wss", "Server: got wss://host:99999/wss; expected a valid URL."],
    ] as const) {
      await page.getByLabel("Server").fill(address);
      await page.getByRole("button", { name: "Connect", exact: true }).click();
      await log.getByText(problem, { exact: true }).waitFor();
    }
    assert.equal(await log.getByText("Could not connect").count(), 0);
  });

  it("stops and shows the error if the server permanently refuses the URL", async () => {
    const server = await startServer();
    const refusing = createServer((_request, response) => {
      response.writeHead(404, { "Access-Control-Allow-Origin": "*" }).end();
    });
    const port = await listen(refusing);
    const page = await openPage(server);
    await page.getByLabel("Server").fill(`ws://127.0.0.1:${port}/wss`);
    await page.getByRole("button", { name: "Connect", exact: true }).click();
    await page.getByRole("log").getByText("refuses the connection with status 404").waitFor();
    await page.getByText("Disconnected", { exact: true }).first().waitFor();
  });

  it("works without the features that Safari 16 lacks, and connects to /wss/ as to /wss", async () => {
    const server = await startServer();
    const [older, newer] = [await openPage(server, REMOVE_NEW_FEATURES), await openPage(server)];
    const address = await older.getByLabel("Server").inputValue();
    await older.getByLabel("Server").fill(`${address}/`);
    await connect(older);
    await connect(newer);
    await newer.getByRole("button", { name: "Send" }).click();
    await older.getByRole("log").getByText("#1").waitFor();
    await older.getByRole("button", { name: "Send" }).click();
    await older.getByText(/^yours, #2, /).waitFor();
  });

  it("keeps the button in place when the counts grow, and shows the median round trip", async () => {
    const page = await openPage();
    await page.setViewportSize({ width: 1000, height: 700 });
    await connect(page);
    const clear = page.getByRole("button", { name: "Clear" });
    const before = await clear.boundingBox();
    await page.getByRole("button", { name: "Send" }).click();
    await page.getByText(/^yours, #1, /).waitFor();
    const first = await count(page, "Round trip");
    assert.equal(await count(page, "Median"), first);
    await page.getByRole("button", { name: "Send" }).click();
    await page.getByText(/^yours, #2, /).waitFor();
    const trips = [first, await count(page, "Round trip")].map((text) => Number.parseFloat(text));
    const median = Number.parseFloat(await count(page, "Median"));
    // Each is rounded: from 10 ms on, to whole milliseconds.
    assert.ok(
      Math.abs(median - trips.reduce((sum, trip) => sum + trip, 0) / 2) <= 1,
      `${median} of ${trips.join()}`,
    );
    await page.evaluate(`for (const dd of document.querySelectorAll("dd")) dd.textContent = "1,234,567"`);
    assert.equal((await clear.boundingBox())?.x, before?.x);
    const [title, button] = [page.getByRole("heading", { name: "Messages" }), clear];
    assert.ok(
      Math.abs(centre(await title.boundingBox()) - centre(await button.boundingBox())) < 3,
      "The heading and the button must be on one line.",
    );
  });

  it("starts each tab with a different message", async () => {
    const [one, other] = [await openPage(), await openPage()];
    const prefilled = (page: Page): Promise<string> => page.getByLabel("Message, as JSON").inputValue();
    assert.match(await prefilled(one), /^\{"from":"tab \w+","text":"Hello"\}$/);
    assert.notEqual(await prefilled(one), await prefilled(other));
  });
});

function centre(box: { readonly y: number; readonly height: number } | null): number {
  assert.ok(box !== null);
  return box.y + box.height / 2;
}
