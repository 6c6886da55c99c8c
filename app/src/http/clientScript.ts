/** The client as a script for browsers: its TypeScript without the types. */
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { Worker } from "node:worker_threads";

/**
 * What Node runs TypeScript with, on a thread of its own: it takes some tenths of a second, and warns of being experimental,
 * which only a thread can be kept from.
 */
const STRIPPER = `
  const { parentPort, workerData } = require("node:worker_threads");
  parentPort.postMessage(require("node:module").stripTypeScriptTypes(workerData));
`;

/**
 * Reads TypeScript that consists of erasable syntax, and returns it as JavaScript. Every line stays where it is.
 * @throws {Error} where the file cannot be read, or has other syntax.
 */
export async function readAsJavaScript(file: string): Promise<string> {
  const worker = new Worker(STRIPPER, {
    eval: true,
    workerData: await readFile(file, "utf8"),
    execArgv: ["--disable-warning=ExperimentalWarning"],
  });
  const told: unknown[] = await once(worker, "message");
  return String(told[0]);
}
