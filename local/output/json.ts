import type { Output, TextStream } from "./output.ts";

/** One JSON object per line, each with `event` and the time, for programs. Failures too: `{"event":"failed"}`. */
export function jsonOutput(stream: TextStream, { verbose }: { readonly verbose: boolean }): Output {
  function write(entry: object): void {
    stream.write(`${JSON.stringify({ time: new Date().toISOString(), ...entry })}\n`);
  }
  return {
    event(event) {
      if (event.event !== "task-output" || verbose) write(event);
    },
    watch: () => undefined,
    failed(message) {
      write({ event: "failed", message });
    },
    close: () => undefined,
  };
}
