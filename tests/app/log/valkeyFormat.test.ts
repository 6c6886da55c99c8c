/** The record of the log's format in Valkey. */
import assert from "node:assert/strict";

import { FORMAT_KEY } from "../../../app/src/log/valkey/connection/partitions.ts";
import { channel, STREAM_KEY, useValkey } from "./valkeyFixture.ts";

describe("the format of the Valkey log", () => {
  const valkey = useValkey();

  const stored = (): Promise<unknown> => valkey.server.command("HMGET", FORMAT_KEY, "version", "partitions");

  it("is stored by the first task, and accepted by others", async () => {
    for (const log of [valkey.open(), valkey.open()]) await log.append({ channel, record: "x" });
    assert.deepEqual(await stored(), ["2", "64"]);
    assert.equal(await valkey.server.command("PTTL", FORMAT_KEY), -1);
  });

  it("is stored again if the server has lost it", async () => {
    const log = valkey.open();
    await log.append({ channel, record: "x" });
    await valkey.server.kill();
    await valkey.server.start();
    await log.append({ channel, record: "x" });
    assert.deepEqual(await stored(), ["2", "64"]);
  });

  for (const [version, partitions] of [
    [3, 64],
    [2, 128],
  ] as const) {
    it(`is reported if it differs: version ${version}, ${partitions} partitions`, async () => {
      await valkey.server.command("HSET", FORMAT_KEY, "version", version, "partitions", partitions);
      const mismatch = Promise.withResolvers<Error>();
      const log = valkey.open({ onFormatMismatch: mismatch.resolve, publishTimeoutSeconds: 0.3 });
      const { message } = await mismatch.promise;
      assert.match(message, new RegExp(`format ${version} with ${partitions} .* expected format 2 with 64`));
      await assert.rejects(log.append({ channel, record: "x" }), /not answered/);
      assert.equal(await valkey.server.command("EXISTS", STREAM_KEY), 0);
      assert.deepEqual(await stored(), [String(version), String(partitions)]);
    });
  }
});
