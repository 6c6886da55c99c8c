/** A question in the terminal. */
import { createInterface } from "node:readline";
import { Interrupted } from "./operate.ts";
import { Progress } from "./progress/progress.ts";

export interface Terminal {
  readonly input: NodeJS.ReadableStream;
  readonly output: NodeJS.WritableStream;
}

/**
 * @returns what the user typed; nothing where the input ends.
 * @throws {Interrupted} for Ctrl-C.
 */
export function askIn({ input, output }: Terminal): (question: string) => Promise<string> {
  return (question) =>
    new Promise((resolve, reject) => {
      const lines = createInterface({ input, output, terminal: true });
      lines.on("SIGINT", () => {
        reject(new Interrupted("Nothing has been changed.", new Progress()));
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
