import { noPaint } from "../../cli/paint.ts";
import type { TextStream } from "../../cli/textStream.ts";
import type { Output } from "./output.ts";
import { shortenRepeatedOutput } from "./repeatedOutput.ts";
import { describeEvent } from "./text.ts";

/** Prints readable lines for pipes and logs, without colours. */
export function linesOutput(
  stream: TextStream,
  errors: TextStream,
  { verbose }: { readonly verbose: boolean },
): Output {
  const shorten = shortenRepeatedOutput();
  return {
    event(event) {
      for (const line of describeEvent(shorten(event), noPaint, verbose)) stream.write(`${line}\n`);
    },
    watch: () => undefined,
    print(lines) {
      for (const line of lines) stream.write(`${line}\n`);
    },
    failed(message) {
      errors.write(`${message}\n`);
    },
    close: () => undefined,
  };
}
