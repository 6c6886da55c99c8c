import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo } from "node:net";

import type { Browser, Page } from "playwright-core";
import { WebSocketServer } from "ws";

import { launchBrowser } from "../support/browser.ts";
import { afterwards, startServer, tearDown } from "./support.ts";

describe("the console page", function () {
  this.timeout(60_000);

  let browser: Browser | undefined;

  before(async function () {
    browser = await launchBrowser(this);
  });

  after(() => browser?.close());

  afterEach(tearDown);

  async function openPage(): Promise<Page> {
    assert.ok(browser);
    const { origin } = await startServer();
    const page = await browser.newPage();
    afterwards(() => page.close());
    await page.goto(`${origin}/index.html`);
    return page;
  }

  it("shows whatever a server says, JSON objects or not", async () => {
    const texts = ["null", "5", '"text"', "[1]", "no JSON", '{"error":null}', '{"error":"late"}'];
    const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
    afterwards(() => {
      for (const client of server.clients) client.terminate();
      server.close();
    });
    server.on("connection", (webSocket) => {
      for (const text of texts) webSocket.send(text);
    });
    await once(server, "listening");

    const page = await openPage();
    const complaints: string[] = [];
    page.on("pageerror", ({ message }) => complaints.push(message));
    await page.getByLabel("Server").fill(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
    await page.getByRole("button", { name: "Connect", exact: true }).click();
    for (const text of texts) await page.getByRole("log").getByText(text, { exact: true }).waitFor();
    assert.deepEqual(complaints, []);
  });

  it("names the address that it could not connect to", async () => {
    const page = await openPage();
    const wrong = `${new URL(page.url()).origin.replace("http", "ws")}/nope`;
    await page.getByLabel("Server").fill(wrong);
    await page.getByRole("button", { name: "Connect", exact: true }).click();
    await page.getByRole("log").getByText(`Could not connect to ${wrong}`).waitFor();
  });

  it("starts each tab with a message of its own", async () => {
    const [one, other] = [await openPage(), await openPage()];
    const prefilled = (page: Page): Promise<string> => page.getByLabel("Message, as JSON").inputValue();
    assert.match(await prefilled(one), /^\{"from":"tab \w+","text":"Hello"\}$/);
    assert.notEqual(await prefilled(one), await prefilled(other));
  });
});
