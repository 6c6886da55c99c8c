/** Ctrl-C: the first cancels, the second ends at once. */

/** npm passes on the Ctrl-C that the terminal has delivered already; only a later one is the user's second. */
const SECOND_AFTER_MS = 500;
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
/** What a terminal in raw mode delivers for Ctrl-C. */
const CTRL_C = 0x03;

export interface InterruptSources {
  readonly signals: NodeJS.EventEmitter;
  /** The terminal's keyboard, where there is one. */
  readonly keyboard: (NodeJS.ReadableStream & { setRawMode(raw: boolean): unknown }) | undefined;
  /** Aborted when npm, which started the process, has ended: a first interrupt, and never a second one. */
  readonly orphaned?: AbortSignal;
  readonly nowMs: () => number;
}

export interface Interrupts {
  /** Aborted with the first. */
  readonly signal: AbortSignal;
  /** Gives signals and keyboard back. Idempotent. */
  close(): void;
}

/**
 * Listens until it is closed.
 *
 * A terminal delivers Ctrl-C to the Pulumi CLI as well, which would take the signal that cancels for a second one, and
 * leave half-made resources behind. So the keyboard is in raw mode, in which Ctrl-C is a key like any other.
 * @param onSecond ends the process; its children end with it.
 */
export function watchInterrupts(
  { signals, keyboard, orphaned, nowMs }: InterruptSources,
  { onFirst, onSecond }: { readonly onFirst: () => void; readonly onSecond: () => void },
): Interrupts {
  const controller = new AbortController();
  let firstAt: number | undefined;

  function interruptOnce(): void {
    if (firstAt !== undefined) return;
    firstAt = nowMs();
    onFirst();
    controller.abort();
  }
  function interrupt(): void {
    if (firstAt === undefined) interruptOnce();
    else if (nowMs() - firstAt > SECOND_AFTER_MS) onSecond();
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
