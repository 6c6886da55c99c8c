/**
 * A mistake, or a state of the world, that the operator can correct. The message is complete: a command prints it without a
 * stack trace and exits with its code for errors.
 */
export class ExpectedError extends Error {
  override readonly name: string = "ExpectedError";
}
