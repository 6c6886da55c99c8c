import { SingleBar } from "cli-progress";

/** Shows how far a run is. */
export interface Progress {
  /** A part of the run begins, of which `total` is the end. */
  begin(part: string, total: number): void;
  update(done: number, failed: number): void;
  /** The bar is taken away; idempotent. */
  close(): void;
}

export const noProgress: Progress = {
  begin: () => undefined,
  update: () => undefined,
  close: () => undefined,
};

/** A bar on `terminal`, gone when closed. */
export function progressBar(terminal: NodeJS.WritableStream): Progress {
  const bar = new SingleBar({
    stream: terminal,
    format: "{part} [{bar}] {value} of {total}, {failed} failed, {duration_formatted}",
    hideCursor: true,
    clearOnComplete: true,
    // The run closes the bar itself, after an interrupt too.
    gracefulExit: false,
  });
  return {
    begin(part, total) {
      bar.stop();
      bar.start(total, 0, { part, failed: 0 });
    },
    update(done, failed) {
      bar.update(done, { failed });
    },
    close() {
      bar.stop();
    },
  };
}
