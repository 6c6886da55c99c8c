/** The process of one evaluation. It receives the argument of `evaluateWithOverrides`, sends an `EvaluationResult`, and exits. */
import { once } from "node:events";
import { describeError } from "../../app/src/settings/expectedError.ts";
import { type Evaluation, evaluateWithOverrides } from "../evaluation.ts";
import type { EvaluationResult } from "./evaluation.ts";

async function run(evaluation: Evaluation): Promise<EvaluationResult> {
  try {
    return { graph: await evaluateWithOverrides(evaluation) };
  } catch (error) {
    return { problem: describeError(error) };
  }
}

const [evaluation] = (await once(process, "message")) as [Evaluation]; // As evaluation.ts sends it.
const result = await run(evaluation);
process.send?.(result, () => {
  process.disconnect();
});
