/** Chromium or Chrome, where the machine has one. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";

import { chromium } from "playwright-core";
import type { Browser } from "playwright-core";

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

/** Launches one, or skips the test; it must not be skipped where `CI` is "true". */
export async function launchBrowser(test: Mocha.Context): Promise<Browser> {
  const executablePath = BROWSERS.find((candidate) => existsSync(candidate));
  if (executablePath === undefined) {
    if (process.env["CI"] === "true") assert.fail("CI needs a Chromium for this test.");
    console.warn("    SKIPPED: no Chromium or Chrome here; set CHROMIUM_PATH to the executable of one.");
    test.skip();
  }
  return chromium.launch({ executablePath, args: QUIET });
}
