import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import Mocha from "mocha";

import { LEFT_OUT_FILE, readLeftOut } from "./leaveOut.ts";

const TESTS = path.resolve(import.meta.dirname, "..");
const TEST_FILE = ".test.ts";

/** Time after the last test within which the process has to end by itself, in milliseconds. */
const END_TIMEOUT_MS = 15_000;

/**
 * Mocha's own `spec` report, followed by one line: `N passed, N failed[, N skipped][. Left out: ...]`. It names the
 * missing programs with the commands that install them and, for `npm test`, the tests that only `npm run test:all` runs.
 */
export default class CountingSpec extends Mocha.reporters.Spec {
  readonly #folder = mkdtempSync(path.join(tmpdir(), "tests-"));
  readonly #files = new Set<string>();

  constructor(runner: Mocha.Runner, options: Mocha.MochaOptions) {
    super(runner, options);
    const file = path.join(this.#folder, "left-out");
    writeFileSync(file, "");
    process.env[LEFT_OUT_FILE] = file;
    const { EVENT_TEST_END, EVENT_TEST_FAIL } = Mocha.Runner.constants;
    // If a hook fails, the tests of its file do not run.
    for (const event of [EVENT_TEST_END, EVENT_TEST_FAIL]) {
      runner.on(event, ({ file: ran }: Mocha.Runnable) => {
        if (ran !== undefined) this.#files.add(ran);
      });
    }
  }

  override epilogue(): void {
    super.epilogue();
    const { passes, failures, pending } = this.stats;
    const leftOut = readLeftOut(path.join(this.#folder, "left-out"));
    rmSync(this.#folder, { recursive: true });
    const others = process.env["npm_lifecycle_event"] === "test" ? notRun(this.#files) : [];
    const parts = others.length === 0 ? leftOut : [`${others.join(", ")}: \`npm run test:all\``, ...leftOut];
    const counts = `${passes} passed, ${failures} failed${pending > 0 ? `, ${pending} skipped` : ""}`;
    Mocha.reporters.Base.consoleLog(parts.length === 0 ? counts : `${counts}. Left out: ${parts.join("; ")}`);
    failIfHanging();
  }
}

/** Test files that did not run, such as `e2e/paths`; `e2e` if no file of that folder ran. */
function notRun(ran: ReadonlySet<string>): readonly string[] {
  const all = readdirSync(TESTS, { recursive: true, encoding: "utf8" }).filter((file) =>
    file.endsWith(TEST_FILE),
  );
  const folderOf = (file: string): string => file.split(path.sep)[0] ?? "";
  const begun = new Set(all.filter((file) => ran.has(path.join(TESTS, file))).map(folderOf));
  const left = all.filter((file) => !ran.has(path.join(TESTS, file)));
  const names = left.map((file) =>
    begun.has(folderOf(file)) ? file.slice(0, -TEST_FILE.length) : folderOf(file),
  );
  return [...new Set(names)].sort();
}

/** Ends the process with a failure if a test left something running. */
function failIfHanging(): void {
  setTimeout(() => {
    const left = process.getActiveResourcesInfo().join(", ");
    Mocha.reporters.Base.consoleLog(`The tests have ended, but these resources are still active: ${left}.`);
    // Mocha sets the code again at the exit.
    process.on("exit", () => {
      process.exitCode = 1;
    });
    process.exit();
  }, END_TIMEOUT_MS).unref();
}
