import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempDisposable, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";

import { parseCsv } from "../../simulate/load/csv.ts";
import { startServer } from "./server.ts";

const MAIN = fileURLToPath(new URL("../../load-test/main.ts", import.meta.url));

describe("npm run load-test", () => {
  it("prints one JSON document and exits with 0 if nothing failed", async () => {
    await using server = await startServer();
    const { code, stdout, stderr } = await start(server.url.href, "--total", "3", "--json");
    assert.equal(code, 0);
    assert.equal(stderr, "");
    const report = JSON.parse(stdout) as Record<string, unknown>;
    assert.deepEqual(Object.keys(report), [
      "mode",
      "url",
      "certificate",
      "subscriptions",
      "seconds",
      "interrupted",
      "connections",
      "messages",
      "deliveries",
      "failures",
      "load",
      "shortfalls",
    ]);
    assert.deepEqual(report["shortfalls"], []);
    assert.equal(report["certificate"], "none: ws://");
  });

  it("prints tables, and no progress without a terminal", async () => {
    await using server = await startServer();
    const { code, stdout, stderr } = await start(server.url.href, "--total", "3");
    assert.equal(code, 0);
    assert.equal(stderr, "");
    assert.match(stdout, /^churn against ws:/);
    assert.match(stdout, /3 of 3 attempted, 3 connected, 0 failed/);
  });

  it("records the load of each minute in a file that the simulation reads", async () => {
    await using folder = await mkdtempDisposable(path.join(tmpdir(), "load-test-"));
    await using server = await startServer();
    const file = path.join(folder.path, "load.csv");
    const { code } = await start(server.url.href, "--total", "3", "--record", file);
    assert.equal(code, 0);
    const { minutes } = parseCsv(file, await readFile(file, "utf8"));
    assert.deepEqual(minutes, [{ connects: 3, disconnects: 3, messages: 0 }]);
  });

  it("names the file that it cannot write, before the run", async () => {
    await using server = await startServer();
    const { code, stdout, stderr } = await start(
      server.url.href,
      "--total",
      "1",
      "--record",
      "/missing/load.csv",
    );
    assert.equal(code, 1);
    assert.equal(stdout, "");
    assert.match(stderr, /^`--record`: ENOENT: .*\/missing\/load\.csv/);
  });

  it("exits with 1 if something failed", async () => {
    await using server = await startServer({ refuseWith: 403 });
    const { code, stdout } = await start(server.url.href, "--total", "1");
    assert.equal(code, 1);
    assert.match(stdout, /http 403 +1 /);
  });
});

function start(...args: string[]) {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  return Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]).then(
    ([stdout, stderr]) => ({ code: child.exitCode, stdout, stderr }),
  );
}
