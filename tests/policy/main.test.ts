/** `npm run policy` as a process. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import path from "node:path";
import { suppressions } from "../../infra/components/suppressions.ts";
import { Project } from "../engine/support/project.ts";
import { HOMELESS } from "../support/homeless.ts";
import { breakProgram } from "./brokenProgram.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");

/** Each run evaluates the program, which takes its time on a busy machine. */
const TIMEOUT_MS = 60_000;

describe("npm run policy", function () {
  this.timeout(TIMEOUT_MS);

  it("prints a table for each stack with the reasons of suppressions, and evaluates each example", async () => {
    const { code, stdout } = await policyIn(ROOT);
    const titles = Array.from(
      stdout.matchAll(/^(Stack|Example) .*\(findings: (\d+), unused suppressions: (\d+)/gm),
      ([, what, findings, unused]) => ({ what, faults: Number(findings) + Number(unused) }),
    );
    assert.deepEqual(
      titles.map(({ what }) => what),
      [...Array<string>(2).fill("Stack"), ...Array<string>(10).fill("Example")],
    );
    // Another test requires that there are no findings.
    assert.equal(code, titles.some(({ faults }) => faults > 0) ? 1 : 0);
    const unwrapped = stdout.replace(/\s+/g, " ");
    for (const { when, reason } of suppressions) {
      if (when === undefined) assert.ok(unwrapped.includes(`accepted: ${reason}`), reason);
    }
    assert.match(unwrapped, /accepted, because there is no domain: Without a domain/);
  });

  it("evaluates one stack with --stack", async () => {
    const { stdout } = await policyIn(ROOT, "--stack", "prod");
    assert.match(stdout, /^Stack prod/);
    assert.doesNotMatch(stdout, /Stack dev|Example/);
  });

  it("runs for a user without a home folder", async () => {
    const { stdout, stderr } = await policy(["--import", HOMELESS], ROOT, "--stack", "dev");
    assert.equal(stderr, "");
    assert.match(stdout, /^Stack dev/);
  });

  it("exits with 1 and prints findings, fixes and unused suppressions", async () => {
    const project = new Project();
    try {
      breakProgram(project.folder);
      const { code, stdout } = await policyIn(project.folder);
      assert.equal(code, 1);
      assert.match(
        stdout,
        /ELB2 +LoadBalancer websocket +access logs are off\n +mandatory; fix: Set `accessLogs`/,
      );
      assert.match(stdout, /S2 +Bucket websocket-logs-bucket +ignorePublicAcls is off/);
      assert.match(stdout, /CFR1 +CFR1 has no finding at\s+websocket:infra:Distribution\$aws:cloudfront/);
    } finally {
      project.close();
    }
  });

  it("exits with 2 for a wrong argument, and with 1 for a stack without a file", async () => {
    const word = await policyIn(ROOT, "prod");
    assert.equal(word.code, 2);
    assert.match(word.stderr, /^`prod`: got an unknown argument; .*\(did you mean --stack prod\?\)/);
    const stack = await policyIn(ROOT, "--stack", "prd");
    assert.equal(stack.code, 1);
    assert.match(stack.stderr, /Did you mean prod\?\n$/);
  });
});

interface Ended {
  readonly code: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

function policyIn(folder: string, ...args: readonly string[]): Promise<Ended> {
  return policy([], folder, ...args);
}

function policy(nodeOptions: readonly string[], folder: string, ...args: readonly string[]): Promise<Ended> {
  return new Promise((resolve) => {
    const main = path.join(folder, "policy", "main.ts");
    const child = execFile(process.execPath, [...nodeOptions, main, ...args], (_error, stdout, stderr) => {
      resolve({ code: child.exitCode ?? undefined, stdout, stderr });
    });
  });
}
