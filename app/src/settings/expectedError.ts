/**
 * A mistake, or a state of the world, that the operator can correct. The message is complete: a command prints it without a
 * stack trace and exits with its code for errors.
 */
export class ExpectedError extends Error {
  override readonly name: string = "ExpectedError";
}

/**
 * The message of an expected error. Any other error is a defect, so its stack trace is returned.
 * @param isVerbose whether the stack trace of an expected error is returned, too.
 */
export function describeError(error: unknown, isVerbose = false): string {
  if (!(error instanceof Error)) return String(error);
  return error instanceof ExpectedError && !isVerbose ? error.message : (error.stack ?? error.message);
}
