import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { MAX_VIEWERS } from "../../local/dashboard/viewers.ts";
import { launchBrowser } from "../support/browser.ts";
import { connectTo, startStack } from "../support/localStack.ts";
import type { StackProcess } from "../support/localStack.ts";

/** A folder for screenshots; none are made without it. */
const SCREENSHOTS = process.env["SCREENSHOTS"];
const MEASURE_PAGE = readFileSync(path.join(import.meta.dirname, "fixtures/measurePage.js"), "utf8");
const WIDTHS = [360, 768, 1440];
/** Of text, by WCAG 2.2 AA. @see https://www.w3.org/TR/WCAG22/#contrast-minimum */
const MIN_CONTRAST = 4.5;

interface PageMeasures {
  readonly scrollWidth: number;
  readonly contrasts: readonly { readonly text: string; readonly ratio: number }[];
}

describe("the dashboard in a browser", function () {
  this.timeout(60_000);

  let stack: StackProcess | undefined;
  let browser: Browser | undefined;
  let url = "";
  const errors: string[] = [];

  before(async function () {
    browser = await launchBrowser(this);
    stack = await startStack("-c", "minTasks=2", "--speed", "60");
    ({ url = "" } = await stack.event(({ event }) => event === "dashboard-started"));
  });

  after(async () => {
    await browser?.close();
    await stack?.close();
  });

  async function openPage(address: string, options: BrowserContextOptions = {}): Promise<Page> {
    assert.ok(browser);
    const context = await browser.newContext(options);
    const page = await context.newPage();
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) errors.push(message.text());
    });
    page.on("pageerror", (error) => errors.push(error.message));
    await page.goto(address);
    return page;
  }

  it("shows the declared parts and the tasks, and removes the token from the address", async () => {
    const page = await openPage(url);
    for (const name of ["Edge", "Load balancer", "Target group", "Tasks", "Backplane", "task-1", "task-2"]) {
      await page.getByRole("heading", { name, exact: true }).waitFor();
    }
    await page.getByText("Ready", { exact: true }).waitFor();
    assert.equal(new URL(page.url()).hash, "");
    await page.reload();
    await page.getByText("Ready", { exact: true }).waitFor();
    await page.context().close();
  });

  it("applies faults and loads another page while as many pages as possible are open", async () => {
    assert.ok(browser);
    const context = await browser.newContext();
    const states: (string | null)[] = [];
    for (let n = 0; n <= MAX_VIEWERS; n++) {
      const page = await context.newPage();
      await page.goto(url);
      await page.locator("#state:text-matches('Ready|Waiting')").waitFor();
      states.push(await page.locator("#state").textContent());
    }
    const [page] = context.pages();
    assert.ok(page);
    for (const pressed of [true, false]) {
      await page.getByRole("button", { name: "Drop connections" }).click();
      await page.getByRole("button", { name: "Drop connections", pressed }).waitFor();
    }
    assert.deepEqual(states, [...Array<string>(MAX_VIEWERS).fill("Ready"), "Waiting"]);
    await context.close();
  });

  it("shows the open connections and the messages of each second", async () => {
    assert.ok(stack);
    const page = await openPage(url);
    const client = await connectTo(stack.urls.websocket);
    await page.getByText("1 open").waitFor();
    const timer = setInterval(() => {
      client.send("x");
    }, 50);
    await page.locator("#published:text-matches('^[1-9]')").waitFor();
    clearInterval(timer);
    client.close();
    await page.getByText("1 open").waitFor({ state: "detached" });
    await page.context().close();
  });

  it("applies a fault that lasts, and ends it", async () => {
    const page = await openPage(url);
    const button = page.getByRole("button", { name: "Add latency" });
    await button.click();
    await page.getByRole("button", { name: "Add latency", pressed: true }).waitFor();
    await page.getByRole("log").getByText("fault applied: Add latency").waitFor();
    await button.press("Enter");
    await page.getByRole("button", { name: "Add latency", pressed: false }).waitFor();
    await page.context().close();
  });

  it("kills a task, and shows its replacement", async () => {
    const page = await openPage(url);
    await page.getByRole("button", { name: "Kill task-1" }).click();
    await page.getByRole("heading", { name: "task-1", exact: true }).waitFor({ state: "detached" });
    const replacement = page.getByRole("listitem").filter({
      has: page.getByRole("heading", { name: "task-3", exact: true }),
      hasNot: page.getByRole("heading", { name: "Tasks", exact: true }),
    });
    await replacement.getByText("healthy", { exact: true }).waitFor();
    await page.getByRole("log").getByText("task-1 ended by SIGKILL").waitFor();
    await page.context().close();
  });

  it("shows the desired number of tasks, and can end the fault of a task that is stopping", async () => {
    // Without the token, the page draws only this snapshot.
    const page = await openPage(new URL("/", url).href);
    await page.getByRole("alert").waitFor();
    const task = { pid: 1, revision: 1, open: 0, requests: 0 };
    const fault = { description: "", part: "tasks", takesTask: true };
    const snapshot = {
      stack: "dev",
      phase: "ready",
      urls: {},
      path: [{ part: "tasks", text: "1 of at most 5, port 8080" }],
      tasks: [
        { ...task, id: "task-1", health: "healthy" },
        { ...task, id: "task-2", health: "stopping" },
      ],
      rates: { published: null, delivered: null },
      scaling: { desired: 3, min: 1, max: 5, policies: [] },
      metrics: {},
      deployments: [],
      faults: [
        { ...fault, id: "kill-task", name: "Kill" },
        { ...fault, id: "freeze-task", name: "Freeze" },
      ],
      activeFaults: [{ fault: "freeze-task", task: "task-2" }],
      events: [],
    };
    await page.evaluate(
      `import("/view.js").then(({ render }) => render(${JSON.stringify(snapshot)}, () => undefined))`,
    );
    await page.getByText("3 of at most 5", { exact: true }).waitFor();
    const buttons = await page.locator(".task button").all();
    const names = await Promise.all(buttons.map((button) => button.getAttribute("aria-label")));
    assert.deepEqual(names, ["Kill task-1", "Freeze task-1", "Freeze task-2"]);
    await page.getByRole("button", { name: "Freeze task-2", pressed: true }).waitFor();
    // The browser reports the status 401.
    assert.match(errors.splice(0).join(), /401/);
    await page.context().close();
  });

  it("states what to do without the token", async () => {
    const page = await openPage(new URL("/", url).href);
    await page.getByRole("alert").getByText("Open the address that npm start has printed").waitFor();
    // The browser reports the status 401.
    assert.match(errors.splice(0).join(), /401/);
    await page.context().close();
  });

  it("does not answer pages of other origins", async () => {
    assert.ok(stack);
    const other = createServer((_request, response) => response.end("another page"));
    await once(other.listen(0, "127.0.0.1"), "listening");
    const page = await openPage(`http://localhost:${(other.address() as AddressInfo).port}/`);
    const token = new URL(url).hash.slice(1);
    const fault = new URL("/faults/add-latency", url).href;
    const outcomes = await page.evaluate<string[]>(`Promise.all([
      fetch("${fault}", { method: "POST", mode: "no-cors" }),
      fetch("${fault}", { method: "POST", headers: { Authorization: "Bearer ${token}" } }),
      fetch("${new URL("/dashboard.js", url).href}", { mode: "no-cors" }),
    ].map((request) => request.then(() => "answered", () => "blocked")))`);
    assert.deepEqual(outcomes, ["blocked", "blocked", "blocked"]);
    assert.ok(errors.splice(0).length > 0, "the browser reports the blocked requests");
    await page.context().close();
    other.close();

    // After this fault, an earlier one would be among the events.
    const own = await openPage(url);
    await own.getByRole("button", { name: "Kill task-2" }).click();
    await stack.event(({ event, id }) => event === "task-stopped" && id === "task-2");
    const latency = stack.events.filter(
      ({ event, fault: id }) => event === "fault-applied" && id === "add-latency",
    );
    assert.equal(latency.length, 1, "only the test before has added latency");
    await own.context().close();
  });

  for (const width of WIDTHS) {
    for (const colorScheme of ["light", "dark"] as const) {
      it(`fits a width of ${width} pixels, with readable text (${colorScheme})`, async () => {
        const page = await openPage(url, { viewport: { width, height: 900 }, colorScheme });
        await page.getByText("Ready", { exact: true }).waitFor();
        await page.getByRole("button", { name: "Add latency" }).click();
        await page.getByRole("button", { name: "Add latency", pressed: true }).waitFor();
        const { scrollWidth, contrasts } = await page.evaluate<PageMeasures>(MEASURE_PAGE);
        if (SCREENSHOTS !== undefined) {
          const file = path.join(SCREENSHOTS, `dashboard-${width}-${colorScheme}.png`);
          await page.screenshot({ path: file, fullPage: true });
        }
        await page.getByRole("button", { name: "Add latency" }).click();
        await page.getByRole("button", { name: "Add latency", pressed: false }).waitFor();
        assert.equal(scrollWidth, width, "the page scrolls horizontally");
        assert.ok(contrasts.length > 20, `${contrasts.length} texts were measured`);
        const low = contrasts.filter(({ ratio }) => ratio < MIN_CONTRAST);
        assert.deepEqual(low, [], `texts with a contrast below ${MIN_CONTRAST}`);
        await page.context().close();
      });
    }
  }

  it("causes no errors and warnings in the browser", () => {
    assert.deepEqual(errors, []);
  });
});
