import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";

import { startValkeyServer } from "../../cli/valkeyServer.ts";
import { requireValkey } from "../support/valkey.ts";
import { waitUntil } from "../support/waitUntil.ts";
import { ROOT } from "../local/support/paths.ts";
import { alive } from "../local/support/processes.ts";

describe("the valkey-server of this machine", () => {
  it("starts in a locale that every machine has", async () => {
    const folder = await mkdtemp(path.join(tmpdir(), "valkey-"));
    const binary = path.join(folder, "valkey-server");
    // As Valkey 9.0.0 does in a locale that the machine lacks.
    const script =
      '#!/bin/sh\n[ "$LC_ALL" = C ] || exit 1\necho Ready to accept connections\nexec sleep 60\n';
    await writeFile(binary, script, { mode: 0o755 });
    const before = process.env["LC_ALL"];
    process.env["LC_ALL"] = "xx_XX";
    try {
      const server = await startValkeyServer({ binary });
      await server.close();
    } finally {
      if (before === undefined) delete process.env["LC_ALL"];
      else process.env["LC_ALL"] = before;
      await rm(folder, { recursive: true });
    }
  });

  it("ends with the process that started it, even if that is killed", async function () {
    await requireValkey(this);
    const script = path.join(ROOT, "tests", "cli", "support", "valkeyParent.ts");
    const parent = spawn(process.execPath, [script], { stdio: ["ignore", "pipe", "inherit"] });
    const [line] = (await once(createInterface({ input: parent.stdout }), "line")) as [string];
    const pid = Number(line);
    assert.ok(alive(pid));
    parent.kill("SIGKILL");
    await once(parent, "exit");
    await waitUntil(() => !alive(pid));
  });
});
