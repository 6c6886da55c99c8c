import assert from "node:assert/strict";
import { evaluateInProcess } from "../../../local/watch/evaluation.ts";
import { ROOT } from "../support/paths.ts";

/** The error of an evaluation whose process runs this code first. */
async function errorAfter(code: string, secret: string): Promise<string> {
  const before = process.env["NODE_OPTIONS"];
  process.env["NODE_OPTIONS"] = `--import data:text/javascript,${encodeURIComponent(code)}`;
  const evaluation = evaluateInProcess(AbortSignal.timeout(10_000), {
    root: ROOT,
    stack: "dev",
    config: { password: secret },
  });
  if (before === undefined) delete process.env["NODE_OPTIONS"];
  else process.env["NODE_OPTIONS"] = before;
  return evaluation.then(
    () => "",
    (error: unknown) => String(error),
  );
}

describe("the process of an evaluation", () => {
  it("has no values of the configuration in its command line, which other users can read", async () => {
    const code = "import fs from 'node:fs'; fs.writeSync(2, process.argv.join(' ')); process.exit(1)";
    const commandLine = await errorAfter(code, "hunter2");
    assert.match(commandLine, /evaluationProcess\.ts/);
    assert.doesNotMatch(commandLine, /hunter2/);
  });

  it("is described by the end of its output if it fails", async () => {
    const code = "fs.writeSync(2, 'x'.repeat(1_000_000) + 'the reason'); process.exit(1)";
    const error = await errorAfter(`import fs from 'node:fs'; ${code}`, "");
    assert.match(error, /the reason$/);
    assert.ok(error.length < 20_000, `the error has ${error.length} characters`);
  });
});
