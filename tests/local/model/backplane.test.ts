import assert from "node:assert/strict";
import { readBackplane, redirectToBackplane } from "../../../local/model/backplane.ts";
import { coverageOf } from "../../../local/model/coverage.ts";
import { readParts } from "../../../local/model/parts.ts";
import { summarizeStack } from "../../../local/model/summary.ts";
import { BACKPLANE_USER, wholePath } from "../support/graph.ts";

describe("the declared backplane", () => {
  it("has the declared values and the user of its user group", () => {
    assert.deepEqual(readBackplane(wholePath({ backplane: {} })), {
      name: "cache",
      engine: "valkey 9",
      address: "cache.internal.example",
      port: 7000,
      maxGB: 4,
      user: { ...BACKPLANE_USER, access: "on ~key* -@all +xadd +client|setname" },
    });
    assert.equal(readBackplane(wholePath()), undefined);
  });

  it("is refused with another engine, or with an unknown user group", () => {
    assert.throws(
      () => readBackplane(wholePath({ backplane: { engine: "memcached" } })),
      /engine: .* expected one of valkey/,
    );
    assert.throws(() => readBackplane(wholePath({ backplane: { userGroupId: "x" } })), /no .* with the id x/);
  });

  it("is replaced by the emulated one in variables with its endpoint, and in no others", () => {
    const backplane = readBackplane(wholePath({ backplane: {} }));
    assert.ok(backplane);
    const environment = {
      A: "rediss://tasks@cache.internal.example:7000",
      B: "rediss://cache.internal.example:7000",
      C: "rediss://tasks@cache.internal.example:7001",
      D: "cache.internal.example",
      E: "",
    };
    const emulated = { host: "127.0.0.1", port: 42, cluster: false };
    assert.deepEqual(redirectToBackplane(environment, backplane, emulated), {
      ...environment,
      A: "redis://tasks@127.0.0.1:42",
      B: "redis://127.0.0.1:42",
      WEBSOCKET_VALKEY_CLUSTER: "false",
    });
  });

  it("has a line in the summary, which names the program that emulates it", () => {
    const graph = wholePath({ backplane: {} });
    const lineFor = (valkeyServer?: string): string | undefined =>
      summarizeStack(graph, coverageOf(graph), readParts(graph, {}), { valkeyServer, speed: 1 }).path.find(
        ({ part }) => part === "backplane",
      )?.text;
    assert.equal(lineFor("/opt/bin/valkey-server"), "valkey 9, at most 4 GB, emulated by valkey-server");
    assert.equal(lineFor(), "valkey 9, at most 4 GB, emulated by the stand-in for Valkey");
  });
});
