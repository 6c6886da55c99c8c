/** The process of one evaluation. It receives the arguments of `evaluateWithOverrides`, sends an `EvaluationResult`, and exits. */
import { once } from "node:events";
import { describeError } from "../../app/src/settings/expectedError.ts";
import { evaluateWithOverrides } from "../evaluation.ts";
import type { EvaluationArguments, EvaluationResult } from "./evaluation.ts";

async function run(...options: EvaluationArguments): Promise<EvaluationResult> {
  try {
    return { graph: await evaluateWithOverrides(...options) };
  } catch (error) {
    return { problem: describeError(error) };
  }
}

const [options] = (await once(process, "message")) as [EvaluationArguments]; // As evaluation.ts sends them.
const result = await run(...options);
process.send?.(result, () => {
  process.disconnect();
});
