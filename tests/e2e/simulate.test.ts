/** `npm run simulate` as a process, with the declared stacks. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempDisposable, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { HEADER } from "../../simulate/load/csv.ts";

const MAIN = path.resolve(import.meta.dirname, "../../simulate/main.ts");

/** Each stack is an evaluation of the program, which takes its time on a busy machine. */
const TIMEOUT_MS = 60_000;

interface Run {
  readonly code: number | string | null | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

function simulate(...args: readonly string[]): Promise<Run> {
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, ...args], (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : error.code, stdout, stderr });
    });
  });
}

describe("npm run simulate", function () {
  this.timeout(TIMEOUT_MS);

  it("compares two declared stacks, and writes an SVG", async () => {
    await using folder = await mkdtempDisposable(path.join(tmpdir(), "simulate-"));
    const svg = path.join(folder.path, "day.svg");
    const { code, stdout, stderr } = await simulate("--compare", "maxTasks=2", "--svg", svg);
    assert.deepEqual([code, stderr], [0, ""]);
    assert.match(stdout, /^dev +dev maxTasks=2$/m);
    assert.match(stdout, /connections per task .* > 5 for 3 min: 1 → 2 tasks/);
    assert.match(stdout, /Evaluated the program in .* s, simulated in [01]\.\d\d s\.\n$/);
    assert.match(await readFile(svg, "utf8"), /^<svg .*dev maxTasks=2.*<\/svg>\n$/s);
  });

  it("runs the load of a file", async () => {
    await using folder = await mkdtempDisposable(path.join(tmpdir(), "simulate-"));
    const csv = path.join(folder.path, "load.csv");
    await writeFile(csv, `${HEADER}\n0,12,0,0\n30,0,0,0\n`);
    const { code, stdout } = await simulate("--load", csv, "--json");
    const { stacks } = JSON.parse(stdout) as {
      readonly stacks: readonly { readonly summary: { readonly maxTasks: number } }[];
    };
    assert.equal(code, 0);
    assert.equal(stacks[0]?.summary.maxTasks, 3);
  });

  it("prints the warnings of the program", async () => {
    const { code, stderr } = await simulate("-c", "connectionsPerTask=19000");
    assert.equal(code, 0);
    assert.match(stderr, /^warning: connectionsPerTask is 19000, /);
  });

  it("reports a wrong value, a missing file and a stack without tasks in one line each", async () => {
    const cases: readonly (readonly [args: readonly string[], message: RegExp])[] = [
      [["-c", "maxTasks=0"], /`websocket:maxTasks`: got "?0"?; expected .* Fix: pass `-c /],
      [["--load", "missing.csv"], /^`--load`: ENOENT: .*missing\.csv/],
      [["--load", "/dev/zero"], /^\/dev\/zero: got more than 4000000 bytes/],
      [["--svg", "/missing/day.svg"], /^`--svg`: ENOENT: .*\/missing\/day\.svg/],
      [
        ["-c", "edge=api-gateway", "-c", "apiGatewayUrl=wss://a.execute-api.us-east-1.amazonaws.com/b"],
        /^Stack dev has no autoscaler/,
      ],
    ];
    for (const [args, message] of cases) {
      const { code, stderr } = await simulate(...args);
      assert.equal(code, 1);
      assert.match(stderr, message);
      assert.doesNotMatch(stderr, /\n {4}at /);
    }
  });
});
