import type { WriteStream } from "node:tty";

/** Says what is being done. */
export interface Progress {
  show(text: string): void;
  /** Makes room for other output. Idempotent. */
  clear(): void;
}

/** One line that is written over in a terminal; elsewhere a line for each. */
export function progressOn(stream: WriteStream | NodeJS.WritableStream): Progress {
  if (!("isTTY" in stream)) return { show: (text) => void stream.write(`${text}\n`), clear: () => undefined };
  const clear = () => {
    stream.cursorTo(0);
    stream.clearLine(1);
  };
  return {
    show(text) {
      clear();
      stream.write(text.slice(0, stream.columns - 1));
    },
    clear,
  };
}
