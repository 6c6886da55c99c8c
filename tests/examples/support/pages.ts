/** The pages of the examples in Chromium. */
import path from "node:path";
import type { Browser, Page } from "playwright-core";
import { launchBrowser } from "../../support/browser.ts";

/** A folder for screenshots; none are made without it. */
const SCREENSHOTS = process.env["SCREENSHOTS"];

const SIZE = { width: 560, height: 430 };

/** What a person sends in a page. */
export interface PageMessage {
  /** Address of the page. */
  readonly url: string;
  readonly author: string;
  readonly text: string;
}

/** Sends a message from each of two pages, and waits until both pages show it. Saves the pages as the screenshot of an example. */
export async function exchangeMessages(
  test: Mocha.Context,
  example: string,
  messages: readonly [PageMessage, PageMessage],
): Promise<void> {
  const browser = await launchBrowser(test);
  try {
    const [one, other] = messages;
    const pages = await Promise.all([openPage(browser, one.url), openPage(browser, other.url)]);
    const [first, second] = pages;
    await send(first, one);
    await waitForText(pages, one.text);
    await send(second, other);
    await waitForText(pages, other.text);
    await saveScreenshot(browser, pages, example);
  } finally {
    await browser.close();
  }
}

/** Opens a page in a browser context of its own, and waits until it is connected to a task. */
async function openPage(browser: Browser, url: string): Promise<Page> {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, viewport: SIZE });
  const page = await context.newPage();
  await page.goto(url);
  await page
    .getByRole("status")
    .getByText(/^Connected to task/)
    .waitFor();
  return page;
}

async function send(page: Page, { author, text }: PageMessage): Promise<void> {
  await page.getByLabel("Author").fill(author);
  await page.getByLabel("Text").fill(text);
  await page.getByLabel("Text").press("Enter");
}

/** Waits until every page shows a text in its log. */
async function waitForText(pages: readonly Page[], text: string): Promise<void> {
  for (const page of pages) await page.getByRole("log").getByText(text).waitFor();
}

/** Saves the pages beside each other as `NAME.png`. */
async function saveScreenshot(browser: Browser, pages: readonly Page[], name: string): Promise<void> {
  if (SCREENSHOTS === undefined) return;
  const images = await Promise.all(pages.map((page) => page.screenshot()));
  const sheet = await browser.newPage({
    viewport: { width: (SIZE.width + 16) * pages.length + 16, height: SIZE.height + 32 },
  });
  const style = "margin: 16px 0 0 16px; box-shadow: 0 1px 4px #0006; border-radius: 4px; float: left";
  await sheet.setContent(
    `<body style="margin: 0; background: #eef1f5">${images
      .map((image) => `<img style="${style}" src="data:image/png;base64,${image.toString("base64")}">`)
      .join("")}</body>`,
  );
  await sheet.screenshot({ path: path.join(SCREENSHOTS, `${name}.png`) });
}
