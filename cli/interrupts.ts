/** Ctrl-C and signals: the first interrupt stops a command in order, the second one ends it at once. */

/** npm forwards the Ctrl-C that the terminal has delivered already; only a later one is the user's second. */
const MIN_SECOND_INTERRUPT_MS = 500;
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
/** The byte that a terminal in raw mode delivers for Ctrl-C. */
const CTRL_C = 0x03;

export interface InterruptSources {
  /** Emits the signals, as `process` does. */
  readonly signals: NodeJS.EventEmitter;
  /**
   * The terminal's keyboard, for a command whose children must not receive Ctrl-C: in raw mode, the terminal delivers Ctrl-C
   * as a key and sends no signal.
   * @default none
   */
  readonly keyboard?: (NodeJS.ReadableStream & { setRawMode(raw: boolean): unknown }) | undefined;
  /** Aborts when npm, which started the process, has ended: a first interrupt, and never a second one. */
  readonly orphaned?: AbortSignal | undefined;
  /** The clock, in milliseconds. @default performance.now */
  readonly nowMs?: () => number;
}

export interface InterruptCallbacks {
  readonly onFirst?: () => void;
  /** Called for every interrupt after the first; ends the process, for example. */
  readonly onSecond?: () => void;
}

export interface Interrupts {
  /** Aborts at the first interrupt. */
  readonly signal: AbortSignal;
  /** Removes the listeners, and leaves raw mode. Idempotent. */
  close(): void;
}

/** Watches for interrupts until it is closed. */
export function watchInterrupts(
  { signals, keyboard, orphaned, nowMs = () => performance.now() }: InterruptSources,
  { onFirst, onSecond }: InterruptCallbacks = {},
): Interrupts {
  const controller = new AbortController();
  let firstMs: number | undefined;

  function interruptOnce(): void {
    if (firstMs !== undefined) return;
    firstMs = nowMs();
    onFirst?.();
    controller.abort();
  }
  function interrupt(): void {
    if (firstMs === undefined) interruptOnce();
    else if (nowMs() - firstMs > MIN_SECOND_INTERRUPT_MS) onSecond?.();
  }
  function onKeys(keys: Buffer | string): void {
    if (Buffer.from(keys).includes(CTRL_C)) interrupt();
  }

  for (const name of SIGNALS) signals.on(name, interrupt);
  orphaned?.addEventListener("abort", interruptOnce);
  if (orphaned?.aborted === true) interruptOnce();
  keyboard?.setRawMode(true);
  keyboard?.on("data", onKeys);
  keyboard?.resume();

  return {
    signal: controller.signal,
    close() {
      for (const name of SIGNALS) signals.off(name, interrupt);
      orphaned?.removeEventListener("abort", interruptOnce);
      keyboard?.off("data", onKeys);
      keyboard?.setRawMode(false);
      keyboard?.pause();
    },
  };
}
