import type { LogPosition } from "../log/log.ts";
import type { FrameLog, PageWaiter } from "./frameLog.ts";

/**
 * Resolves when the page of the log that has a message is in memory, or the log does not have the message.
 * @throws if the log cannot be read, or the reason of the signal when it is aborted.
 */
export async function waitForPage(
  frames: FrameLog,
  position: LogPosition,
  signal: AbortSignal | undefined,
): Promise<void> {
  signal?.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<undefined>();
  const waiter: PageWaiter = {
    ...position,
    onPage() {
      resolve(undefined);
    },
    onPageFailed(error) {
      reject(error);
      return false;
    },
  };
  const abort = (): void => {
    frames.stopWaiting(waiter);
    reject(signal?.reason as Error);
  };
  signal?.addEventListener("abort", abort);
  frames.wait(waiter);
  try {
    await promise;
  } finally {
    signal?.removeEventListener("abort", abort);
  }
}
