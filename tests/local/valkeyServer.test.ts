import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { createInterface } from "node:readline";

import { requireValkey } from "../support/valkey.ts";
import { waitUntil } from "../support/waitUntil.ts";
import { ROOT } from "./support/paths.ts";
import { alive } from "./support/processes.ts";

describe("a valkey-server of this machine", () => {
  it("ends with whoever started it, also when that one is killed", async function () {
    await requireValkey(this);
    const script = path.join(ROOT, "tests", "local", "support", "valkeyParent.ts");
    const parent = spawn(process.execPath, [script], { stdio: ["ignore", "pipe", "inherit"] });
    const [line] = (await once(createInterface({ input: parent.stdout }), "line")) as [string];
    const pid = Number(line);
    assert.ok(alive(pid));
    parent.kill("SIGKILL");
    await once(parent, "exit");
    await waitUntil(() => !alive(pid));
  });
});
