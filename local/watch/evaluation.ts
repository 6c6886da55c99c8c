/** Evaluates the program in a process of its own, so that changed sources count and the event loop of the stack continues. */
import { fork } from "node:child_process";
import { ExpectedError } from "../../app/src/settings/expectedError.ts";
import { ownModule } from "../../app/src/settings/ownFiles.ts";
import type { DeclaredGraph } from "../../infra/evaluation/graph.ts";
import type { Evaluation } from "../evaluation.ts";

/** Maximum time for an evaluation, which usually takes two seconds. */
const EVALUATION_TIMEOUT_MS = 60_000;

/** The last characters of the output, which explain why the process has ended. */
const MAX_OUTPUT_LENGTH = 16_384;

/** The message of the process. */
export type EvaluationResult = { readonly graph: DeclaredGraph } | { readonly problem: string };

/**
 * @param signal ends the process.
 * @throws {ExpectedError} with the problems of the configuration, or the error of the program.
 */
export async function evaluateInProcess(signal: AbortSignal, evaluation: Evaluation): Promise<DeclaredGraph> {
  const child = fork(ownModule("local/watch/evaluationProcess.ts"), {
    serialization: "advanced",
    stdio: ["ignore", "ignore", "pipe", "ipc"],
    timeout: EVALUATION_TIMEOUT_MS,
    signal,
  });
  let errors = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    errors = (errors + text).slice(-MAX_OUTPUT_LENGTH);
  });
  const result = await new Promise<EvaluationResult>((resolve) => {
    // All users of this machine can read a command line, and the configuration may contain secrets.
    child.once("spawn", () => {
      // If the process has ended, "close" is emitted, too; an error of `send` adds nothing.
      child.send(evaluation, () => undefined);
    });
    child.once("message", (message) => {
      resolve(message as EvaluationResult); // The process sends nothing else.
    });
    child.once("close", (code, signal) => {
      resolve({
        problem: errors.trim() || `The evaluation ended with ${signal ?? `exit code ${code ?? ""}`}.`,
      });
    });
    child.once("error", (error) => {
      resolve({ problem: error.message });
    });
  });
  if ("problem" in result) throw new ExpectedError(result.problem);
  return result.graph;
}
