import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("../../bench/main.ts", import.meta.url));

const POLL_MS = 20;

describe("npm run bench", function () {
  this.timeout(60_000);
  let folder: string;

  before(() => {
    folder = mkdtempSync(path.join(os.tmpdir(), "bench-test-"));
  });

  after(() => {
    rmSync(folder, { recursive: true });
  });

  function bench(...args: string[]) {
    return spawn(process.execPath, [MAIN, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  }

  it("measures, prints a table and writes the figures", async function () {
    // Three servers, one after the other.
    this.timeout(60_000);
    const file = path.join(folder, "figures.json");
    const child = bench("--quick", "--cases", "echo64", "--json", file);
    const [printed, errors, ended] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, "close"),
    ]);
    assert.deepEqual(ended, [0, null], errors);
    assert.match(printed, /^### echo64: 1 client, /m);
    assert.match(
      printed,
      /^\| this, plain \| .*\|\n\n- this ÷ this, plain: .*\n\nnaive: .*; socket\.io: .*; this: .*\n/m,
    );
    assert.match(printed, /^\| this +\| .*\d.* \|$/m);
    const { cases } = JSON.parse(readFileSync(file, "utf8")) as {
      cases: readonly { name: string; results: readonly { contestant: string; runs: readonly object[] }[] }[];
    };
    assert.deepEqual(
      cases.map(({ name, results }) => [
        name,
        ...results.map(({ contestant, runs }) => [contestant, runs.length]),
      ]),
      [["echo64", ["naive", 1], ["this", 1], ["this, plain", 1]]],
    );
  });

  it("ends all its processes at an interrupt", async function () {
    // Only Linux lists the children of a process in a file.
    if (process.platform !== "linux") this.skip();
    const child = bench("--quick", "--cases", "f1000");
    const closed = once(child, "close");
    // A server and a generator. No event reports the start of the second one.
    let pids = childrenOf(child.pid);
    for (; pids.length < 2; pids = childrenOf(child.pid)) await sleep(POLL_MS);
    child.kill("SIGINT");
    assert.deepEqual(await closed, [130, null]);
    for (const pid of pids) assert.throws(() => process.kill(pid, 0), /ESRCH/);
  });
});

function childrenOf(pid = 0): readonly number[] {
  const pids = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").match(/\d+/g) ?? [];
  return pids.map(Number);
}
