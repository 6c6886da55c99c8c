/** How an operation of the engine can end, apart from success. Every other ExpectedError means that nothing was started. */
import { ExpectedError } from "../app/src/settings/expectedError.ts";
import { EXIT } from "./context.ts";
import { EngineReport } from "./engine/engineReport.ts";

abstract class OperationError extends ExpectedError {
  abstract readonly exitCode: number;
  /** What the engine had reported before the error. */
  readonly report: EngineReport;

  constructor(message: string, report: EngineReport, options?: ErrorOptions) {
    super(message, options);
    this.report = report;
  }
}

/** The operation has failed; the message lists the reasons. */
export class OperationFailed extends OperationError {
  override readonly name = "OperationFailed";
  readonly exitCode = EXIT.failed;
}

/** The user has cancelled; the message describes the state of the stack. */
export class Interrupted extends OperationError {
  override readonly name = "Interrupted";
  readonly exitCode = EXIT.interrupted;

  /** @param report empty if no operation had started. */
  constructor(message: string, report = new EngineReport(), options?: ErrorOptions) {
    super(message, report, options);
  }
}

/** Whether the operation that ended with this error may have changed the cloud. */
export function mayHaveChanged(error: unknown): boolean {
  return error instanceof OperationError && error.report.changed.length > 0;
}

export function exitCodeOf(error: unknown): number {
  if (error instanceof OperationError) return error.exitCode;
  return error instanceof ExpectedError ? EXIT.notStarted : EXIT.failed;
}
