import { createLogUpdate } from "log-update";

/** Shows what a run does at the moment. */
export interface StatusLine {
  show(text: string): void;
  /** Clears the line, before other output for example. Idempotent. */
  clear(): void;
}

/** One line that is redrawn in a terminal; a line for each text in a pipe. */
export function statusLineOn(stream: NodeJS.WriteStream): StatusLine {
  if (!stream.isTTY) return { show: (text) => void stream.write(`${text}\n`), clear: () => undefined };
  const line = createLogUpdate(stream);
  return {
    show: (text) => {
      line(text);
    },
    clear: () => {
      line.clear();
    },
  };
}
