/**
 * A process for one run: it takes the run from the benchmark that forked it, answers with the outcome, and ends. It
 * ends with the benchmark, too.
 */
import { runConnections } from "./connections.ts";
import { runLoad } from "./load.ts";
import { runResume } from "./resume.ts";
import type { FiguresOf, RunOutcome, Run, RunTarget } from "./runs.ts";
import { NotSustainedError } from "./verifier.ts";

process.once("disconnect", () => process.exit());

process.once("message", (message) => {
  // From the benchmark's own code, of the same version.
  const { run, target } = message as { run: Run; target: RunTarget };
  void perform(run, target).then((outcome) =>
    process.send?.(outcome, undefined, undefined, () => process.exit()),
  );
});

async function perform(run: Run, target: RunTarget): Promise<RunOutcome<FiguresOf[Run["kind"]]>> {
  try {
    return { outcome: "measured", figures: await figuresOf(run, target) };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { outcome: error instanceof NotSustainedError ? "not sustained" : "void", reason };
  }
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
