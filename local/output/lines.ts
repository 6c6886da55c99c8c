import { noPaint } from "../../cli/paint.ts";
import type { Output, TextStream } from "./output.ts";
import { describeEvent } from "./text.ts";

/** One readable line per event, for pipes and logs: no colour, nothing that is drawn over. */
export function linesOutput(
  stream: TextStream,
  errors: TextStream,
  { verbose }: { readonly verbose: boolean },
): Output {
  return {
    event(event) {
      for (const line of describeEvent(event, noPaint, verbose)) stream.write(`${line}\n`);
    },
    watch: () => undefined,
    failed(message) {
      errors.write(`${message}\n`);
    },
    close: () => undefined,
  };
}
