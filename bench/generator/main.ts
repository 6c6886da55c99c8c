/**
 * The process of one run: receives the run from the benchmark, sends the outcome, and ends. It also ends with the benchmark.
 */
import { explain, Failure } from "../../load-test/parts/failures.ts";
import { runLoad } from "./broadcast/load.ts";
import { runResume } from "./broadcast/resume.ts";
import { runLone } from "./channels/lone.ts";
import { runPublish } from "./channels/publish.ts";
import { runConnections } from "./connections.ts";
import { NotSustainedError } from "./received.ts";
import type { FiguresOf, RunOutcome, Run, RunTarget } from "./runs.ts";

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
    case "lone":
      return runLone(run, target);
    case "publish":
      return runPublish(run, target);
    case "resume":
      return runResume(run, target);
  }
}
