import type { ObservedStack, StackEvent } from "../events.ts";

/** One way of telling the user what happens. */
export interface Output {
  event(event: StackEvent): void;
  /** The stack runs: its status can be asked for from now on. */
  watch(stack: ObservedStack): void;
  /** Something ended the run. */
  failed(message: string): void;
  /** Leaves the terminal as it was found. Idempotent. */
  close(): void;
}

/**
 * The output until one of its streams breaks, because its reader or its terminal has gone; nothing after that.
 * @param onBroken called once.
 */
export function untilBroken(
  output: Output,
  streams: readonly NodeJS.EventEmitter[],
  onBroken: () => void,
): Output {
  let broken = false;
  function breakOff(): void {
    // What is written on the way out fails as well, and is no news.
    if (broken) return;
    broken = true;
    output.close();
    onBroken();
  }
  for (const stream of streams) stream.on("error", breakOff);
  return {
    event(event) {
      if (!broken) output.event(event);
    },
    watch(stack) {
      if (!broken) output.watch(stack);
    },
    failed(message) {
      if (!broken) output.failed(message);
    },
    close() {
      if (!broken) output.close();
    },
  };
}

/** Where text goes: a terminal, a pipe, a test. */
export interface TextStream {
  write(text: string): unknown;
}
