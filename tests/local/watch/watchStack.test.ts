import assert from "node:assert/strict";
import { once, EventEmitter } from "node:events";
import { mkdirSync, mkdtempDisposableSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { ExpectedError } from "../../../app/src/settings/expectedError.ts";
import type { StackEvent } from "../../../local/events.ts";
import type { RunningStack, StackChange } from "../../../local/stack.ts";
import type { Image } from "../../../local/watch/images.ts";
import { watchStack } from "../../../local/watch/watchStack.ts";
import { graphOf } from "../support/graph.ts";

const SOURCE = "app/src/main.ts";
const PROGRAM = "index.ts";

/** A stack that records its changes, and cannot emulate any graph. */
class RecordingStack {
  readonly tasks = undefined;
  readonly changes: StackChange[] = [];

  update(change: StackChange): void {
    if (change.graph !== undefined) throw new ExpectedError("no such resource");
    this.changes.push(change);
  }
}

describe("a watched stack", () => {
  it("gets what has changed before it ran, and sources whose graph cannot be emulated", async () => {
    using folder = mkdtempDisposableSync(path.join(tmpdir(), "watch-"));
    const root = folder.path;
    mkdirSync(path.join(root, "app/src"), { recursive: true });
    const ended = new AbortController();
    const events: StackEvent[] = [];
    const progress = new EventEmitter();
    let builds = 0;
    const images = {
      build(): Promise<Image> {
        builds += 1;
        return Promise.resolve({ entry: `build-${builds}`, digest: String(builds) });
      },
      prune() {
        progress.emit("applied");
        return Promise.resolve();
      },
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
    const apply = watchStack({
      root,
      stackName: "dev",
      images,
      evaluate: () => Promise.resolve(graphOf([])),
      emit(event) {
        events.push(event);
      },
      signal: ended.signal,
    });
    const stack = new RecordingStack();

    writeFileSync(path.join(root, SOURCE), "1");
    const applied = once(progress, "applied");
    apply(stack as unknown as RunningStack, { entry: "build-0", digest: "0" }); // The watch uses these members only.
    await applied;
    assert.deepEqual(stack.changes, [{ files: [SOURCE], graph: undefined, entry: "build-1" }]);

    const next = once(progress, "applied");
    writeFileSync(path.join(root, SOURCE), "2");
    writeFileSync(path.join(root, PROGRAM), "2");
    await next;
    ended.abort();
    assert.deepEqual(stack.changes.slice(1), [{ files: [SOURCE], entry: "build-2" }]);
    assert.deepEqual(events.slice(1), [
      { event: "change-rejected", files: [SOURCE, PROGRAM], message: "no such resource" },
    ]);
  });

  it("continues if its files cannot be watched", () => {
    const ended = new AbortController();
    const events: StackEvent[] = [];
    const apply = watchStack({
      root: path.join(tmpdir(), "does-not-exist"),
      stackName: "dev",
      images: {
        build: () => Promise.reject(new Error("no build")),
        prune: () => Promise.resolve(),
        [Symbol.asyncDispose]: () => Promise.resolve(),
      },
      evaluate: () => Promise.resolve(graphOf([])),
      emit(event) {
        events.push(event);
      },
      signal: ended.signal,
    });
    apply(new RecordingStack() as unknown as RunningStack, { entry: "", digest: "" }); // As above.
    ended.abort();
    assert.deepEqual(
      events.map((event) => (event.event === "warning" ? event.message.split(":")[0] : event.event)),
      ["Changed files are not applied"],
    );
  });
});
