import assert from "node:assert/strict";
import { once, EventEmitter } from "node:events";
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  watch,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { mock } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { watchFiles } from "../../../local/watch/watchFiles.ts";

describe("the watched files", () => {
  let root: string;
  let stop: () => void;
  const changes = new EventEmitter();

  /** Makes changes, and resolves with the files of one report. */
  async function changed(change: () => void): Promise<readonly string[]> {
    const next = once(changes, "files") as Promise<[readonly string[]]>;
    change();
    return (await next)[0];
  }

  const file = (name: string): string => path.join(root, name);

  beforeEach(() => {
    root = mkdtempSync(path.join(tmpdir(), "watch-"));
    mkdirSync(file("src/deep"), { recursive: true });
    writeFileSync(file("src/deep/a.ts"), "1");
    writeFileSync(file("stack.yaml"), "1");
    stop = watchFiles(root, ["src", "absent", "stack.yaml", "later.yaml"], (files) => {
      changes.emit("files", files);
    });
  });

  afterEach(() => {
    stop();
    changes.removeAllListeners();
    rmSync(root, { recursive: true });
  });

  it("are reported once for several writes, and without the files of editors and tools", async () => {
    const files = await changed(() => {
      writeFileSync(file("src/.a.ts.swp"), "");
      writeFileSync(file("src/deep/4913"), "");
      writeFileSync(file("src/deep/a.ts~"), "");
      mkdirSync(file("src/dist"));
      writeFileSync(file("src/dist/out.js"), "");
      writeFileSync(file("src/deep/a.ts"), "2");
      appendFileSync(file("src/deep/a.ts"), "3");
    });
    assert.deepEqual(files, ["src/deep/a.ts"]);
  });

  it("are reported after a second while one changes all the time", async () => {
    const reports: (readonly string[])[] = [];
    changes.on("files", (files: readonly string[]) => reports.push(files));
    const watcher = watch(file("src/deep"));
    mock.timers.enable({ apis: ["setTimeout"] });
    try {
      for (let passedMs = 0; passedMs < 1000; passedMs += 50) {
        assert.deepEqual(reports, [], `after ${passedMs} ms`);
        const written = once(watcher, "change");
        appendFileSync(file("src/deep/a.ts"), "2");
        await written;
        // The other watcher gets the event in the same turn.
        await nextTurn();
        mock.timers.tick(50);
      }
      assert.deepEqual(reports, [["src/deep/a.ts"]]);
    } finally {
      mock.timers.reset();
      watcher.close();
    }
  });

  it("include those that an editor replaces, and those that appear later", async () => {
    const replace = (name: string) => (): void => {
      writeFileSync(file("other.tmp"), "2");
      renameSync(file("other.tmp"), file(name));
    };
    assert.deepEqual(await changed(replace("src/deep/a.ts")), ["src/deep/a.ts"]);
    assert.deepEqual(await changed(replace("src/deep/a.ts")), ["src/deep/a.ts"]);
    assert.deepEqual(await changed(replace("stack.yaml")), ["stack.yaml"]);
    assert.deepEqual(await changed(replace("later.yaml")), ["later.yaml"]);
  });

  it("do not include those behind symbolic links", async () => {
    mkdirSync(file("elsewhere"));
    writeFileSync(file("elsewhere/c.ts"), "1");
    const files = await changed(() => {
      symlinkSync("../elsewhere", file("src/link"));
      symlinkSync(".", file("src/loop"));
      symlinkSync("self", file("src/self"));
      writeFileSync(file("src/deep/a.ts"), "2");
    });
    assert.deepEqual(files, ["src/deep/a.ts", "src/link", "src/loop"]);
  });

  it("include those of folders that appear, change their name and disappear", async () => {
    const write = (name: string) => (): void => {
      writeFileSync(file(name), String(Math.random()));
    };
    const appear = (): void => {
      mkdirSync(file("src/new/inner"), { recursive: true });
      write("src/new/inner/b.ts")();
    };
    assert.deepEqual(await changed(appear), ["src/new/inner/b.ts"]);
    assert.deepEqual(await changed(write("src/new/inner/b.ts")), ["src/new/inner/b.ts"]);
    await changed(() => {
      renameSync(file("src/new"), file("src/renamed"));
    });
    assert.deepEqual(await changed(write("src/renamed/inner/b.ts")), ["src/renamed/inner/b.ts"]);
    await changed(() => {
      rmSync(file("src/renamed"), { recursive: true });
    });
    assert.deepEqual(await changed(appear), ["src/new/inner/b.ts"]);
  });

  it("include removed files, but not those that a tool has removed itself", async () => {
    const files = await changed(() => {
      writeFileSync(file("src/deep/sedX1"), "2");
      renameSync(file("src/deep/sedX1"), file("src/deep/a.ts"));
    });
    assert.deepEqual(files, ["src/deep/a.ts"]);
    const removed = await changed(() => {
      rmSync(file("src/deep/a.ts"));
    });
    assert.deepEqual(removed, ["src/deep/a.ts"]);
  });

  it("are not reported for other files of the folder", async () => {
    const files = await changed(() => {
      writeFileSync(file("other.yaml"), "");
      writeFileSync(file("stack.yaml"), "2");
    });
    assert.deepEqual(files, ["stack.yaml"]);
  });
});
