import assert from "node:assert/strict";
import path from "node:path";
import type { Browser, Page } from "playwright-core";
import { launchBrowser } from "../support/browser.ts";
import { startStack } from "../support/localStack.ts";
import type { StackProcess } from "../support/localStack.ts";

/** A folder for screenshots; none are made without it. */
const SCREENSHOTS = process.env["SCREENSHOTS"];

describe("the console page in a browser", function () {
  this.timeout(60_000);

  let stack: StackProcess | undefined;
  let browser: Browser | undefined;
  const errors: string[] = [];

  before(async function () {
    browser = await launchBrowser(this);
    stack = await startStack("--tasks", "1");
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
      if (["error", "warning"].includes(message.type())) errors.push(message.text());
    });
    page.on("pageerror", (error) => errors.push(error.message));
    await page.goto(stack.urls.page);
    await page.getByRole("button", { name: "Connect", exact: true }).click();
    await page.getByText("Connected", { exact: true }).waitFor();
    return page;
  }

  it("connects to its own server, and shows the messages of all clients", async () => {
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

  it("shows acknowledgements, and refuses text that is not JSON", async () => {
    const page = await openPage();
    await page.getByRole("button", { name: "Send" }).click();
    await page
      .getByRole("log")
      .getByText(/^yours, #\d+/)
      .waitFor();
    await page.getByLabel("Message, as JSON").fill("{not json");
    await page.getByText("The message is not JSON").waitFor();
    await page.getByRole("button", { name: "Send" }).click();
    await page.getByRole("log").getByText("invalid_json").waitFor();
  });

  it("causes no errors and warnings in the browser", () => {
    assert.deepEqual(errors, []);
  });
});
