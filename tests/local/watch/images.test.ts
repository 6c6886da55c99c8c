import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createImages } from "../../../local/watch/images.ts";
import { ROOT } from "../support/paths.ts";

describe("the image of a revision", () => {
  it("has the files of the image until no task uses it", async () => {
    await using images = await createImages(ROOT);
    const { entry } = await images.build();
    const client = path.join(path.dirname(entry), "../../console/client.js");
    assert.deepEqual([entry, client].map(existsSync), [true, true]);
    await images.prune((file) => file === entry);
    assert.ok(existsSync(entry));
    await images.prune(() => false);
    assert.ok(!existsSync(entry));
  });

  it("is removed by the next npm start if its own was killed, and not if it still runs", async () => {
    const folderOf = (pid: number): string => path.join(tmpdir(), `websocket-images-${pid}-test`);
    const folders = [folderOf(spawnSync(process.execPath, ["--version"]).pid), folderOf(process.pid)];
    for (const folder of folders) mkdirSync(path.join(folder, "1"), { recursive: true });
    try {
      await using images = await createImages(ROOT);
      assert.ok(images);
      assert.deepEqual(folders.map(existsSync), [false, true]);
    } finally {
      for (const folder of folders) rmSync(folder, { recursive: true, force: true });
    }
  });

  it("is not built to its end after the disposal", async () => {
    const images = await createImages(ROOT);
    const rejected = assert.rejects(images.build(), /aborted/);
    await images[Symbol.asyncDispose]();
    await rejected;
  });
});
