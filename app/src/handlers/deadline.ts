/** The result of asynchronous work, if it has one in time. */

/** The work has no result in time. */
export class DeadlineError extends Error {
  override readonly name = "DeadlineError";
}

/**
 * Waits for work. A result after the deadline is ignored.
 * @throws {DeadlineError} after the deadline.
 * @throws what the work has thrown.
 */
export function within<T>(timeoutMs: number, work: PromiseLike<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new DeadlineError(`No result within ${timeoutMs / 1000} seconds (handlerTimeoutSeconds).`));
    }, timeoutMs);
    const end = (): void => {
      clearTimeout(timer);
    };
    work.then(
      (result) => {
        end();
        resolve(result);
      },
      (error: unknown) => {
        end();
        // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- A handler can throw any value, even one without a string.
        reject(error);
      },
    );
  });
}

export function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}
