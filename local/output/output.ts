import type { ObservedStack, StackEvent } from "../events.ts";

/** Prints the events of a stack in one format. */
export interface Output {
  event(event: StackEvent): void;
  /** Called when the stack runs, whose status the output may read from then on. */
  watch(stack: ObservedStack): void;
  /** Prints the answer to a key. */
  print(lines: readonly string[]): void;
  /** Prints why the command failed. */
  failed(message: string): void;
  /** Restores the terminal. Idempotent. */
  close(): void;
}

/**
 * Wraps an output that prints nothing after one of its streams has failed, because its reader or terminal has closed.
 * @param onBroken called once, at the first failure.
 */
export function untilBroken(
  output: Output,
  streams: readonly NodeJS.EventEmitter[],
  onBroken: () => void,
): Output {
  let broken = false;
  function breakOff(): void {
    // Later writes fail as well.
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
    print(lines) {
      if (!broken) output.print(lines);
    },
    failed(message) {
      if (!broken) output.failed(message);
    },
    close() {
      if (!broken) output.close();
    },
  };
}
