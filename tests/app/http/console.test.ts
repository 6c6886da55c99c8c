import assert from "node:assert/strict";
import { createServer } from "node:http";

import type { Browser, Page } from "playwright-core";

import { launchBrowser } from "../../support/browser.ts";
import { listen } from "../support/listen.ts";
import { startServer } from "../support/server.ts";
import { afterwards, tearDown } from "../support/teardown.ts";
import type { TestServer } from "../support/server.ts";

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
    assert.deepEqual(Object.keys(exported).sort(), ["ChannelError", "DEFAULT_LIMITS", "connect"]);
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
    assert.equal(await count(one, "Offset"), "3");
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

  it("connects to one channel after another", async () => {
    const server = await startServer();
    const [one, other] = [await openPage(server), await openPage(server)];
    const address = await one.getByLabel("Server").inputValue();
    await one.getByLabel("Server").fill(`${address}/room`);
    await connect(one);
    await connect(other);
    await one.getByRole("button", { name: "Send" }).click();
    await one.getByRole("log").getByText("yours, #1").waitFor();
    await one.getByRole("button", { name: "Disconnect" }).click();
    await one.getByRole("button", { name: "Connect", exact: true }).waitFor();
    await one.getByLabel("Server").fill(address);
    await connect(one);
    await one.getByLabel("Message, as JSON").fill('"for both"');
    await one.getByRole("button", { name: "Send" }).click();
    await other.getByRole("log").getByText('"for both"').waitFor();
    assert.equal(await count(other, "Received"), "1");
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
    const unreachable = "ws://127.0.0.1:1/wss/room";
    await page.getByLabel("Server").fill(unreachable);
    await page.getByRole("button", { name: "Connect", exact: true }).click();
    await page.getByRole("log").getByText(`Could not connect to ${unreachable}`).first().waitFor();
    await page.getByRole("button", { name: "Disconnect" }).click();
    await page.getByText("Disconnected", { exact: true }).first().waitFor();
  });

  it("reports a path that is not a channel's, and does not connect", async () => {
    const page = await openPage();
    const { host } = new URL(page.url());
    const log = page.getByRole("log");
    for (const path of ["/nope", "/wss/a/b", `/wss/${"n".repeat(65)}`]) {
      await page.getByLabel("Server").fill(`ws://${host}${path}`);
      await page.getByRole("button", { name: "Connect", exact: true }).click();
      await log.getByText(`Server: got the path ${path}; expected /wss or /wss/NAME`).waitFor();
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
