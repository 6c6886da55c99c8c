/** The rules for the processes of all commands and of the server. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { readFileSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { watchParent } from "../../app/src/settings/commandProcess.ts";
import type { OptionTypes } from "../../cli/options.ts";
import { greet, startServer } from "../load-test/server.ts";
import { type NpmProcess, startAsNpm } from "../support/npmProcess.ts";
import { due } from "../support/waitUntil.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");
const SERVER = "app/src/main.ts";
const ANY_PORT = { HOST: "127.0.0.1", PORT: "0", WEBSOCKET_METRICS_PORT: "0" };
/** A command loads or evaluates the program, which is slow on a busy machine. */
const TIMEOUT_MS = 60_000;
const START_TIMEOUT_MS = 30_000;

const { scripts } = JSON.parse(readFileSync(path.join(ROOT, "package.json"), "utf8")) as {
  readonly scripts: Readonly<Record<string, string>>;
};
/** The commands with options. `npm run docs` has none. */
const commands = Object.values(scripts).flatMap(
  (script) => /^node ([\w-]+\/main\.ts)$/.exec(script)?.[1] ?? [],
);

describe("every command", function () {
  this.timeout(TIMEOUT_MS);

  it("is in this list", () => {
    assert.deepEqual(
      commands.toSorted(),
      ["bench", "deploy", "load-test", "local", "policy", "simulate", "token"].map(
        (folder) => `${folder}/main.ts`,
      ),
    );
  });

  for (const file of commands) {
    it(`${file} starts by runCommandLine`, () => {
      assert.match(readFileSync(path.join(ROOT, file), "utf8"), /^await runCommandLine\(/m);
    });
  }

  for (const file of commands) {
    it(`${file} has a help that lists every option`, async () => {
      const { OPTIONS, HELP } = (await import(path.join(ROOT, path.dirname(file), "options.ts"))) as {
        readonly OPTIONS: OptionTypes;
        readonly HELP: string;
      };
      for (const name of Object.keys(OPTIONS))
        assert.ok(HELP.includes(`  --${name}`) || HELP.includes(`, --${name}`), name);
    });

    it(`${file} exits with 2 for a wrong option, and names npm's separator`, async () => {
      const child = spawn(process.execPath, [path.join(ROOT, file), "--hlp"], {
        stdio: ["ignore", "ignore", "pipe"],
      });
      const closed = once(child, "close");
      assert.match(
        await text(child.stderr),
        /^`--hlp`: got an unknown option; .*--help\?\)\.\n.*not after " -- "/,
      );
      assert.deepEqual(await closed, [2, null]);
    });

    it(`${file} exits with 0 if its output has no reader`, async () => {
      const child = spawn(process.execPath, [path.join(ROOT, file), "--help"], {
        stdio: ["ignore", "pipe", "pipe"],
      });
      // The pipe closes before the process has started, so its first write fails.
      child.stdout.destroy();
      const closed = once(child, "close");
      assert.equal(await text(child.stderr), "");
      assert.deepEqual(await closed, [0, null]);
    });
  }
});

describe("the server's process", function () {
  this.timeout(TIMEOUT_MS);

  it("continues if its output has no reader, and stops in order", async () => {
    const child = spawn(process.execPath, [path.join(ROOT, SERVER)], {
      stdio: ["ignore", "pipe", "pipe"],
      env: ANY_PORT,
    });
    const exited = once(child, "exit");
    try {
      await due(once(createInterface(child.stdout), "line"), "the line that it listens", START_TIMEOUT_MS);
      child.stdout.destroy();
      // The server writes its last metrics when it stops.
      child.kill("SIGTERM");
      assert.deepEqual(await due(exited, "its end"), [0, null]);
    } finally {
      child.kill("SIGKILL");
    }
  });
});

describe("a process that npm has started", function () {
  this.timeout(TIMEOUT_MS);

  const started: NpmProcess[] = [];

  function start(file: string, args: readonly string[], env: NodeJS.ProcessEnv): NpmProcess {
    const process = startAsNpm(path.join(ROOT, file), args, env);
    started.push(process);
    return process;
  }

  afterEach(() => {
    for (const { close } of started.splice(0)) close();
  });

  it("stops in order when npm is killed: the server", async () => {
    const { npm, stdout } = start(SERVER, [], { ...process.env, ...ANY_PORT });
    const reader = createInterface(stdout);
    const lines: string[] = [];
    reader.on("line", (line) => lines.push(line));
    const ended = once(reader, "close");
    await due(once(reader, "line"), "the line that it listens", START_TIMEOUT_MS);
    npm.kill("SIGKILL");
    await due(ended, () => `the server's end after ${lines.join("\n")}`);
    assert.ok(lines.some((line) => line.includes('"signal":"npm has ended"')));
    assert.ok(lines.at(-1)?.includes('"stopped"'));
  });

  it("stops in order when npm is killed: the load test, with its summary", async () => {
    const connected = Promise.withResolvers<undefined>();
    await using server = await startServer({
      welcome(socket) {
        greet(socket);
        connected.resolve(undefined);
      },
    });
    const args = [server.url.href, "--mode", "sustained", "--duration", "60", "--connections", "1", "--json"];
    const { npm, stdout } = start("load-test/main.ts", args, process.env);
    const output = text(stdout);
    await due(connected.promise, "its connection", START_TIMEOUT_MS);
    npm.kill("SIGKILL");
    const { interrupted } = JSON.parse(await due(output, "its summary")) as { readonly interrupted: boolean };
    assert.equal(interrupted, true);
  });

  it("continues if it cannot read its parent, such as with too many open files", async () => {
    const shell = spawn("/bin/sh", ["-c", "read line; exit"], { stdio: ["pipe", "ignore", "inherit"] });
    const ppid = shell.pid ?? assert.fail();
    const reads = new EventEmitter();
    let parent = ppid;
    let isOrphaned = false;
    const fake = {
      env: { npm_lifecycle_event: "start" },
      get ppid() {
        reads.emit("read");
        return parent;
      },
    };
    const orphaned = new Promise<void>((resolve) => {
      watchParent(fake, () => {
        isOrphaned = true;
        resolve();
      });
    });
    // From here on, the parent cannot be read.
    shell.kill("SIGKILL");
    await once(shell, "exit");
    for (let count = 0; count < 2; count += 1) await due(once(reads, "read"), "a read of its parent");
    assert.equal(isOrphaned, false);
    parent = 1;
    await due(orphaned, "its notice that the parent has ended");
  });
});
