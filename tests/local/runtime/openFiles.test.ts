import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once, setMaxListeners } from "node:events";
import { request } from "node:http";
import { request as httpsRequest } from "node:https";
import { Socket } from "node:net";
import path from "node:path";
import { createInterface } from "node:readline";
import type { StackEvent } from "../../../local/events.ts";
import { watchOpenFiles } from "../../../local/runtime/network/openFiles.ts";
import { due } from "../../support/waitUntil.ts";
import { ROOT } from "../support/paths.ts";

const LIMIT = 128;
/** Each client needs two sockets at the edge alone. */
const CLIENTS = LIMIT / 2;

const START_DUE_MS = 45_000;
const MINUTE_MS = 60_000;

const COMMAND = [`ulimit -n ${LIMIT}; exec "$0"`, '"$1" --json --edge-port 0 --load-balancer-port 0'].join(
  " ",
);

/** Sends a request that fails as if its socket could not be opened. */
async function failWith(code: string): Promise<void> {
  const error = Object.assign(new Error(code), { code });
  const failing = request({
    createConnection(_options, onCreated) {
      onCreated(error, new Socket());
      return undefined;
    },
  });
  const failed = once(failing, "error");
  failing.end();
  await failed;
}

/** Opens a WebSocket. Resolves with the status of the response. */
function connectTo(url: URL, closed: AbortSignal): Promise<number | undefined> {
  const headers = {
    Connection: "Upgrade",
    Upgrade: "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
  };
  const options = { host: "127.0.0.1", port: url.port, path: url.pathname, headers };
  return new Promise((resolve) => {
    httpsRequest({ ...options, agent: false, rejectUnauthorized: false })
      .on("upgrade", ({ statusCode }, socket) => {
        socket.on("error", () => undefined).resume();
        closed.addEventListener("abort", () => socket.destroy());
        resolve(statusCode);
      })
      .on("response", (response) => {
        response.resume();
        resolve(response.statusCode);
      })
      .on("error", () => {
        resolve(undefined);
      })
      .end();
  });
}

describe("the limit on open files", () => {
  it("causes one warning per condition, unlike other errors", async () => {
    const events: StackEvent[] = [];
    let nowMs = 0;
    const stop = watchOpenFiles(
      (event) => events.push(event),
      () => nowMs,
    );
    try {
      await failWith("ECONNREFUSED");
      assert.deepEqual(events, []);
      for (let n = 0; n < 3; n++) {
        await failWith("EMFILE");
        nowMs += MINUTE_MS;
      }
      const limit = execFileSync("/bin/sh", ["-c", "ulimit -n"], { encoding: "utf8" }).trim();
      const message =
        `All ${limit} files that this process may open (\`ulimit -n\`) are open, so clients get 502. ` +
        "Fix: `ulimit -n 65536 && npm start`";
      assert.deepEqual(events, [{ event: "warning", message }]);
      nowMs += 1;
      await failWith("EMFILE");
      assert.equal(events.length, 2);
    } finally {
      stop();
    }
    nowMs += 2 * MINUTE_MS;
    await failWith("EMFILE");
    assert.equal(events.length, 2);
  });

  it("is reported when a stack reaches it", async function () {
    this.timeout(60_000);
    const script = path.join(ROOT, "local", "main.ts");
    const child = spawn("/bin/sh", ["-c", COMMAND, process.execPath, script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const closed = new AbortController();
    setMaxListeners(0, closed.signal);
    try {
      const warnings: string[] = [];
      const warned = Promise.withResolvers<undefined>();
      const ready = Promise.withResolvers<URL>();
      createInterface({ input: child.stdout }).on("line", (line) => {
        const event = JSON.parse(line) as StackEvent;
        if (event.event === "ready") ready.resolve(new URL(event.urls.websocket));
        if (event.event !== "warning" || !event.message.includes("ulimit")) return;
        warnings.push(event.message);
        warned.resolve(undefined);
      });
      const url = await due(ready.promise, () => "the stack is ready", START_DUE_MS);
      const statuses = await Promise.all(
        Array.from({ length: CLIENTS }, () => connectTo(url, closed.signal)),
      );
      assert.ok(statuses.includes(502), statuses.join(" "));
      await due(warned.promise, () => "a warning about open files");
      closed.abort();
      child.kill("SIGTERM");
      await once(child, "close");
      assert.equal(warnings.length, 1, warnings.join("\n"));
      assert.match(warnings.join(), new RegExp(`^All ${LIMIT} files `));
    } finally {
      child.kill("SIGKILL");
    }
  });
});
