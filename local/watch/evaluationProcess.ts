/** The process of one evaluation. Its argument is those of `evaluateWithOverrides` as JSON. It sends an `EvaluationResult` and exits. */
import { ExpectedError } from "../../app/src/settings/expectedError.ts";
import { evaluateWithOverrides } from "../evaluation.ts";
import type { EvaluationArguments, EvaluationResult } from "./evaluation.ts";

async function run(...options: EvaluationArguments): Promise<EvaluationResult> {
  try {
    return { graph: await evaluateWithOverrides(...options) };
  } catch (error) {
    if (error instanceof ExpectedError) return { problem: error.message };
    return { problem: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}

const result = await run(...(JSON.parse(process.argv[2] ?? "") as EvaluationArguments)); // As evaluation.ts passes them.
process.send?.(result, () => {
  process.disconnect();
});
