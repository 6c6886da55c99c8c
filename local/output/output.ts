import type { StackEvent } from "../events.ts";
import type { RunningStack } from "../stack.ts";

/** One way of telling the user what happens. */
export interface Output {
  event(event: StackEvent): void;
  /** The stack runs: its status can be asked for from now on. */
  watch(stack: RunningStack): void;
  /** Something ended the run. */
  failed(message: string): void;
  /** Leaves the terminal as it was found. Idempotent. */
  close(): void;
}

/** Where text goes: a terminal, a pipe, a test. */
export interface TextStream {
  write(text: string): unknown;
}
