import Mocha from "mocha";

/** Mocha's own `spec` report, ended by one line that people and scripts can read: `N passed, N failed[, N skipped]`. */
export default class CountingSpec extends Mocha.reporters.Spec {
  override epilogue(): void {
    super.epilogue();
    const { passes, failures, pending } = this.stats;
    const skipped = pending > 0 ? `, ${pending} skipped` : "";
    Mocha.reporters.Base.consoleLog(`${passes} passed, ${failures} failed${skipped}`);
  }
}
