/** Questions in the terminal. */
import { createInterface } from "node:readline";
import { Interrupted } from "./errors.ts";

export interface Terminal {
  readonly input: NodeJS.ReadableStream;
  readonly output: NodeJS.WritableStream;
}

/**
 * @returns a function that asks a question and returns the typed line; an empty text if the input ends.
 * @throws {Interrupted} on Ctrl-C.
 */
export function askIn({ input, output }: Terminal): (question: string) => Promise<string> {
  return (question) =>
    new Promise((resolve, reject) => {
      const lines = createInterface({ input, output, terminal: true });
      lines.on("SIGINT", () => {
        reject(new Interrupted("Nothing has been changed."));
        lines.close();
      });
      lines.on("close", () => {
        resolve("");
      });
      lines.question(question, (answer) => {
        resolve(answer);
        lines.close();
      });
    });
}
