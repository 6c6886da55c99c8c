import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import path from "node:path";
import { chromium } from "playwright-core";
import type { Browser, Page } from "playwright-core";
import { startStack } from "../support/localStack.ts";
import type { StackProcess } from "../support/localStack.ts";

/** Where Linux distributions and macOS put Chromium and Chrome. */
const BROWSERS = [
  process.env["CHROMIUM_PATH"] ?? "",
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

const QUIET = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
];

/** A folder for screenshots, where one is wanted. */
const SCREENSHOTS = process.env["SCREENSHOTS"];

describe("the console page in a browser", function () {
  this.timeout(60_000);

  let stack: StackProcess | undefined;
  let browser: Browser | undefined;
  const complaints: string[] = [];

  before(async function () {
    const executablePath = BROWSERS.find((candidate) => existsSync(candidate));
    if (executablePath === undefined) {
      if (process.env["CI"] === "true") assert.fail("CI needs a Chromium for this test.");
      console.warn("    SKIPPED: no Chromium or Chrome here; set CHROMIUM_PATH to the executable of one.");
      this.skip();
    }
    [stack, browser] = await Promise.all([
      startStack("--tasks", "1"),
      chromium.launch({ executablePath, args: QUIET }),
    ]);
  });

  after(async () => {
    await browser?.close();
    await stack?.close();
  });

  async function openPage(): Promise<Page> {
    assert.ok(browser && stack);
    const context = await browser.newContext({
      ignoreHTTPSErrors: true,
      viewport: { width: 960, height: 720 },
    });
    const page = await context.newPage();
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) complaints.push(message.text());
    });
    page.on("pageerror", (error) => complaints.push(error.message));
    await page.goto(stack.urls.page);
    await page.getByRole("button", { name: "Connect", exact: true }).click();
    await page.getByText("Connected", { exact: true }).waitFor();
    return page;
  }

  it("connects to the server that it came from, sends, and shows what everyone sends", async () => {
    const [one, other] = await Promise.all([openPage(), openPage()]);
    await one.getByLabel("Message, as JSON").fill('{"text":"Hello from one tab"}');
    await one.getByRole("button", { name: "Send" }).click();
    for (const page of [one, other]) {
      await page.getByRole("log").getByText("Hello from one tab").waitFor();
    }
    await other.getByLabel("Message, as JSON").fill('{"text":"Hello from the other"}');
    await other.getByLabel("Message, as JSON").press("Enter");
    await one.getByRole("log").getByText("Hello from the other").waitFor();
    if (SCREENSHOTS !== undefined) await one.screenshot({ path: path.join(SCREENSHOTS, "console.png") });
  });

  it("warns of a message that is not JSON, and shows the server's answer to it", async () => {
    const page = await openPage();
    await page.getByLabel("Message, as JSON").fill("{not json");
    await page.getByText("This is not JSON").waitFor();
    await page.getByRole("button", { name: "Send" }).click();
    await page.getByRole("log").getByText("invalid_json").waitFor();
  });

  it("gives the browser nothing to complain about", () => {
    assert.deepEqual(complaints, []);
  });
});
