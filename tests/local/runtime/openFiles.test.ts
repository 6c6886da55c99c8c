import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { request } from "node:http";
import { Socket } from "node:net";
import type { StackEvent } from "../../../local/events.ts";
import { watchOpenFiles } from "../../../local/runtime/network/openFiles.ts";
import { wholePath } from "../support/graph.ts";
import { launch } from "../support/stack.ts";

const MINUTE_MS = 60_000;

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

  it("is watched while a stack runs", async () => {
    await using fixture = await launch(wholePath());
    await failWith("EMFILE");
    const { message } = await fixture.next("warning");
    assert.match(message, /`ulimit -n`/);
  });
});
