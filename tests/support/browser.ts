/** Chromium or Chrome, where the machine has one. */
import { chromium } from "playwright-core";
import type { Browser } from "playwright-core";

import { isExecutable } from "../../cli/executable.ts";
import { leaveOut } from "./leaveOut.ts";

/** Where Linux distributions and macOS put Chromium and Chrome. */
const USUAL_BROWSERS = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

/** An empty variable is for no browser at all. */
const { CHROMIUM_PATH } = process.env;
const BROWSERS = CHROMIUM_PATH === undefined ? USUAL_BROWSERS : [CHROMIUM_PATH];

const QUIET = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
];

/** Launches one, or skips the test; it must not be skipped where `CI` is "true". */
export async function launchBrowser(test: Mocha.Context): Promise<Browser> {
  const executablePath = BROWSERS.find(isExecutable);
  if (executablePath === undefined) {
    leaveOut(test, { program: "Chromium or Chrome", fix: "export CHROMIUM_PATH=EXECUTABLE" });
  }
  return chromium.launch({ executablePath, args: QUIET });
}
