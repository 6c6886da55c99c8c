import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { mkdirSync, mkdtempDisposableSync, realpathSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { ExpectedError } from "../../../app/src/settings/expectedError.ts";
import type { StackEvent } from "../../../local/events.ts";
import type { StackChange } from "../../../local/stack.ts";
import { watchProject } from "../../../local/watch/watchProject.ts";
import { graphOf } from "../support/graph.ts";

describe("a watched project", () => {
  it("deploys a changed image, evaluates a changed program, and reports one that fails", async () => {
    using folder = mkdtempDisposableSync(path.join(tmpdir(), "project-"));
    const root = realpathSync(folder.path);
    mkdirSync(path.join(root, "server"));
    writeFileSync(path.join(root, "index.ts"), "");
    const ended = new AbortController();
    const progress = new EventEmitter();
    const graph = graphOf([]);
    let fails = false;
    const stack = {
      imageFolder: () => path.join(root, "server"),
      update(change: StackChange): void {
        progress.emit("update", change);
      },
    };
    watchProject(stack, {
      root,
      evaluate: () => (fails ? Promise.reject(new ExpectedError("no program")) : Promise.resolve(graph)),
      emit(event: StackEvent) {
        progress.emit(event.event, event);
      },
      signal: ended.signal,
    });

    const write = async (file: string, event: string): Promise<unknown> => {
      const happened = once(progress, event);
      writeFileSync(path.join(root, file), String(Math.random()));
      const [value] = (await happened) as [unknown];
      return value;
    };
    assert.deepEqual(await write("server/main.js", "update"), {
      files: ["server/main.js"],
      graph: undefined,
      hasImageChanged: true,
    });
    assert.deepEqual(await write("index.ts", "update"), {
      files: ["index.ts"],
      graph,
      hasImageChanged: false,
    });
    fails = true;
    assert.deepEqual(await write("index.ts", "change-rejected"), {
      event: "change-rejected",
      files: ["index.ts"],
      message: "no program",
    });
    ended.abort();
  });
});
