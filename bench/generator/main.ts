/**
 * The process of one run: receives the run from the benchmark, sends the outcome, and ends. It also ends with the benchmark.
 */
import { explain, Failure } from "../../load-test/parts/failures.ts";
import { runConnections } from "./connections.ts";
import { runLoad } from "./load.ts";
import { runResume } from "./resume.ts";
import type { FiguresOf, RunOutcome, Run, RunTarget } from "./runs.ts";
import { NotSustainedError } from "./verifier.ts";

process.once("disconnect", () => process.exit());

process.once("message", (message) => {
  // The benchmark has the same version.
  const { run, target } = message as { run: Run; target: RunTarget };
  void perform(run, target).then((outcome) =>
    process.send?.(outcome, undefined, undefined, () => process.exit()),
  );
});

async function perform(run: Run, target: RunTarget): Promise<RunOutcome<FiguresOf[Run["kind"]]>> {
  try {
    return { outcome: "measured", figures: await figuresOf(run, target) };
  } catch (error) {
    return {
      outcome: error instanceof NotSustainedError ? "not sustained" : "void",
      reason: describeError(error),
    };
  }
}

function describeError(error: unknown): string {
  if (error instanceof Failure) return `${error.message}: ${explain(error)}`;
  return error instanceof Error ? error.message : String(error);
}

function figuresOf(run: Run, target: RunTarget): Promise<FiguresOf[Run["kind"]]> {
  switch (run.kind) {
    case "load":
      return runLoad(run, target);
    case "connections":
      return runConnections(run, target);
    case "resume":
      return runResume(run, target);
  }
}
