import type { TextStream } from "../../cli/textStream.ts";
import type { Output } from "./output.ts";

/** Prints one JSON object per line with `time` and `event`, for programs. A failure is `{"event":"failed","message":…}`. */
export function jsonOutput(stream: TextStream, { verbose }: { readonly verbose: boolean }): Output {
  function write(entry: object): void {
    stream.write(`${JSON.stringify({ time: new Date().toISOString(), ...entry })}\n`);
  }
  return {
    event(event) {
      if (event.event !== "task-output" || verbose) write(event);
    },
    watch: () => undefined,
    print: () => undefined,
    failed(message) {
      write({ event: "failed", message });
    },
    close: () => undefined,
  };
}
