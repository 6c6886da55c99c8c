/** Launches Chromium or Chrome. */
import { spawnSync } from "node:child_process";
import { chromium } from "playwright-core";
import type { Browser } from "playwright-core";

import { isExecutable } from "../../cli/executable.ts";
import { leaveOut } from "./leaveOut.ts";

/** Paths of Chromium and Chrome on Linux distributions and macOS. */
const USUAL_BROWSERS = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

/** Path of the browser; the empty string is for none. */
const { CHROMIUM_PATH } = process.env;

/** Time for a browser to print its version, in milliseconds. */
const START_TIMEOUT_MS = 10_000;

const QUIET = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
];

/** Launches a browser. Skips the test if the machine has none; if `CI` is "true", the test fails instead. */
export async function launchBrowser(test: Mocha.Context): Promise<Browser> {
  const executablePath =
    CHROMIUM_PATH === undefined ? USUAL_BROWSERS.find(starts) : [CHROMIUM_PATH].find(isExecutable);
  if (executablePath === undefined) {
    leaveOut(test, { program: "Chromium or Chrome", fix: "export CHROMIUM_PATH=EXECUTABLE" });
  }
  return chromium.launch({ executablePath, args: QUIET });
}

/** Distributions start a browser by a script, which needs programs of the PATH. */
function starts(browser: string): boolean {
  if (!isExecutable(browser)) return false;
  return spawnSync(browser, ["--version"], { timeout: START_TIMEOUT_MS }).status === 0;
}
