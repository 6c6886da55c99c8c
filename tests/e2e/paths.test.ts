/** The commands in a folder whose path contains spaces, quotes, `#`, `%` and characters above U+00FF. */
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { atSuiteEnd } from "../support/atSuiteEnd.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");
const FOLDER = `日本 плюс 😀 it's "1" #2 50% & $x`;
/** The files that the commands need. */
const SOURCES = [
  ...[
    "app",
    "bench",
    "cli",
    "client",
    "console",
    "deploy",
    "infra",
    "load-test",
    "local",
    "policy",
    "scripts",
  ],
  ...[
    ".dockerignore",
    "package.json",
    "package-lock.json",
    "Pulumi.yaml",
    "Pulumi.README.md",
    "Pulumi.dev.yaml",
    "Pulumi.prod.yaml",
    "index.ts",
  ],
];
const PORTS = ["edge", "load-balancer", "api-gateway"].flatMap((name) => [`--${name}-port`, "0"]);

describe("in a folder with an unusual path", function () {
  // Evaluation, two processes and health checks are slow on a busy machine.
  this.timeout(60_000);

  let scratch: string;
  let root: string;
  let env: NodeJS.ProcessEnv;

  before(function () {
    scratch = mkdtempSync(path.join(tmpdir(), "paths-"));
    atSuiteEnd(this, () => {
      rmSync(scratch, { recursive: true });
    });
    root = path.join(scratch, FOLDER);
    for (const name of SOURCES) cpSync(path.join(ROOT, name), path.join(root, name), { recursive: true });
    symlinkSync(path.join(ROOT, "node_modules"), path.join(root, "node_modules"));
    const home = path.join(scratch, "home");
    mkdirSync(home);
    env = { ...process.env, HOME: home };
  });

  it("npm start runs the stack", async () => {
    const child = spawn("npm", ["start", "--silent", "--", "--json", ...PORTS], {
      cwd: root,
      env,
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    });
    const closed = once(child, "close");
    let stderr = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    const events: unknown[] = [];
    try {
      for await (const line of createInterface({ input: child.stdout })) {
        const { event } = JSON.parse(line) as { event: string };
        events.push(event);
        if (event === "ready") break;
      }
      assert.equal(events.at(-1), "ready", stderr);
    } finally {
      if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, "SIGINT");
      child.stdout.resume();
      await closed;
    }
  });

  // The stand-in for Valkey runs only without a valkey-server. Its interpreter reads the path of the program.
  it("the stand-in for Valkey starts", () => {
    const file = path.join(root, "local/start.ts");
    cpSync(path.join(import.meta.dirname, "fixtures/startStandIn.ts"), file);
    assert.equal(execFileSync(process.execPath, [file], { encoding: "utf8", env }), "started\n");
  });

  for (const command of ["load-test", "bench", "deploy", "policy"]) {
    it(`npm run ${command} -- --help prints its help`, () => {
      const help = execFileSync("npm", ["run", "--silent", command, "--", "--help"], {
        cwd: root,
        env,
        encoding: "utf8",
      });
      assert.match(help, /--help/);
    });
  }
});
