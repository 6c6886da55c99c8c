/** The permissions of another server at the backplane, on a real Valkey server. */
import assert from "node:assert/strict";
import { Redis } from "iovalkey";
import { GENERAL_ACCESS_STRING } from "../../../infra/components/backplane/valkeyAccess.ts";
import { requireValkey, startValkey } from "../../support/valkey.ts";
import type { TestValkey } from "../../support/valkey.ts";

const USER = "general";

describe("the Valkey user of another server", () => {
  let valkey: TestValkey | undefined;
  let dryRun: (command: string) => Promise<unknown>;

  before(async function () {
    const server = await startValkey(await requireValkey(this), [
      ["user", USER, ">secret", ...GENERAL_ACCESS_STRING.split(" ")],
    ]);
    valkey = server;
    dryRun = (command) => server.command("ACL", "DRYRUN", USER, ...command.split(" "));
  });

  after(() => valkey?.close());

  for (const command of [
    ...[
      "SET a 1",
      "GET a",
      "DEL a",
      "HSET a b c",
      "XADD a * b c",
      "XREAD STREAMS a 0",
      "SCAN 0",
      "EXPIRE a 1",
    ],
    ...[
      "SUBSCRIBE any",
      "PSUBSCRIBE a*",
      "PUBLISH any x",
      "SSUBSCRIBE any",
      "SPUBLISH any x",
      "PUBSUB NUMSUB a",
    ],
    ...["EVAL x 0", "EVALSHA x 0", "SCRIPT LOAD x", "MULTI", "EXEC", "WATCH a", "BLPOP a 0", "ZADD a 1 b"],
    ...["HELLO 3", "PING", "CLIENT SETNAME x", "CLIENT SETINFO lib-name x", "READONLY", "COMMAND", "INFO"],
    ...["CLUSTER SLOTS", "CLUSTER SHARDS", "CLUSTER NODES", "CLUSTER INFO"],
  ]) {
    it(`can run ${command}`, async () => {
      assert.equal(await dryRun(command), "OK");
    });
  }

  for (const command of [
    ...[
      "KEYS *",
      "FLUSHALL",
      "FLUSHDB",
      "CONFIG GET maxmemory",
      "CONFIG SET maxmemory 1",
      "SHUTDOWN",
      "DEBUG JMAP",
    ],
    ...[
      "ACL LIST",
      "ACL SETUSER x",
      "CLIENT KILL TYPE normal",
      "CLIENT LIST",
      "MONITOR",
      "MODULE LIST",
      "SAVE",
    ],
    ...[
      "REPLICAOF a 1",
      "CLUSTER RESET",
      "CLUSTER FORGET a",
      "SLOWLOG GET",
      "SWAPDB 0 1",
      "MIGRATE a 1 b 0 1",
    ],
  ]) {
    it(`cannot run ${command}`, async () => {
      assert.match(String(await dryRun(command)), /has no permissions/);
    });
  }

  it("cannot run them in a script either", async () => {
    assert.ok(valkey);
    const port = String(valkey.port);
    const client = new Redis(`redis://${USER}:secret@127.0.0.1:${port}`, { maxRetriesPerRequest: 0 });
    try {
      assert.equal(await client.eval("return redis.call('SET', KEYS[1], '1').ok", 1, "any"), "OK");
      await assert.rejects(client.eval("return redis.call('FLUSHALL')", 0), /ACL failure|permission/i);
    } finally {
      client.disconnect();
    }
  });
});
