import assert from "node:assert/strict";
import { chmodSync, mkdtempDisposableSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { buildImage } from "../../../local/runtime/tasks/containerEngine.ts";

const BUILD = { context: ".", dockerfile: undefined, target: undefined, args: {} };

describe("the build of an image", () => {
  it("that fails is reported with the end of its output", async () => {
    using folder = mkdtempDisposableSync(path.join(tmpdir(), "engine-"));
    const engine = path.join(folder.path, "docker");
    const lines = Array.from({ length: 100 }, (_, index) => `line ${index + 1}`);
    writeFileSync(engine, `#!/bin/sh\necho of a step\necho "${lines.join("\n")}" >&2\nexit 1\n`);
    chmodSync(engine, 0o755);
    await assert.rejects(buildImage(engine, "server", BUILD), {
      name: "ExpectedError",
      message: [
        "container server: the build failed:",
        ...lines.slice(-20),
        "Fix: correct the Dockerfile, or set `image.command` to run without a container",
      ].join("\n"),
    });
  });

  it("whose engine does not start is reported with the error", async () => {
    await assert.rejects(buildImage("/no/docker", "server", BUILD), /the build failed:\n.*ENOENT\nFix: /);
  });
});
