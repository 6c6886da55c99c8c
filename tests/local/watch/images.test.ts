import assert from "node:assert/strict";
import { existsSync } from "node:fs";
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

  it("is not built to its end after the disposal", async () => {
    const images = await createImages(ROOT);
    const rejected = assert.rejects(images.build(), /aborted/);
    await images[Symbol.asyncDispose]();
    await rejected;
  });
});
