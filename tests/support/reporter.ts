import Mocha from "mocha";

import { describeLeftOut } from "./leaveOut.ts";

/** Time after the last test within which the process has to end by itself, in milliseconds. */
const END_TIMEOUT_MS = 15_000;

/**
 * Mocha's own `spec` report, ended by one line that people and scripts can read: `N passed, N failed[, N skipped]`, with
 * the programs that the skipped tests need and the commands that install them.
 */
export default class CountingSpec extends Mocha.reporters.Spec {
  override epilogue(): void {
    super.epilogue();
    const { passes, failures, pending } = this.stats;
    const leftOut = describeLeftOut();
    const reasons = leftOut === "" ? "" : ` for lack of ${leftOut}`;
    const skipped = pending > 0 ? `, ${pending} skipped${reasons}` : "";
    Mocha.reporters.Base.consoleLog(`${passes} passed, ${failures} failed${skipped}`);
    failWhereItHangs();
  }
}

/** A test that left something running must not keep whoever waits for the result waiting. */
function failWhereItHangs(): void {
  setTimeout(() => {
    const left = process.getActiveResourcesInfo().join(", ");
    Mocha.reporters.Base.consoleLog(`The tests are over, and something of theirs still runs: ${left}.`);
    // The runner sets the code again at the exit.
    process.on("exit", () => {
      process.exitCode = 1;
    });
    process.exit();
  }, END_TIMEOUT_MS).unref();
}
