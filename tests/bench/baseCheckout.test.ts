import assert from "node:assert/strict";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { readBaseCheckout } from "../../bench/baseCheckout.ts";
import { contestants } from "../../bench/contestants.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

describe("another checkout of the benchmark", () => {
  it("is a contestant with both dialects, and with variables that it has", async () => {
    const base = await readBaseCheckout(ROOT);
    const measured = contestants({ peersFolder: undefined, haproxy: undefined, base }).filter(
      ({ entry }) => entry === path.join(ROOT, "app/src/main.ts"),
    );
    assert.deepEqual(
      measured.map(({ name, protocol }) => [name, protocol]),
      [
        ["this", "channels.v1"],
        ["this, plain", "plain"],
        ["base", "channels.v1"],
        ["base, plain", "plain"],
        ["direct", "plain"],
        ["local", "plain"],
      ],
    );
    const store = { url: "redis://127.0.0.1:6379", isCluster: true };
    const [own, , other] = measured.map(({ environment }) => environment(store));
    assert.deepEqual(other, own);
    assert.equal(new Set(measured.map(({ nodeOptions }) => String(nodeOptions))).size, 1);
  });

  it("is rejected without a server", async () => {
    await assert.rejects(readBaseCheckout(os.tmpdir()), /`--base`: got .*; expected a checkout/);
  });
});
