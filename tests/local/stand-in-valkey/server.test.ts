/** The stand-in for Valkey passes the contract of the message log, with the driver for Valkey. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { setImmediate as nextTurn } from "node:timers/promises";
import { createValkeyLog } from "../../../app/src/log/valkey/valkeyLog.ts";
import { readBackplane } from "../../../local/model/backplane.ts";
import { type ValkeyStandIn, type StandInUser, startStandIn } from "../../../local/stand-in-valkey/server.ts";
import { describeLogContract } from "../../app/log/logContract.ts";
import { silent } from "../../app/support/teardown.ts";
import { atSuiteEnd } from "../../support/atSuiteEnd.ts";
import { declaredGraph } from "../../support/stacks.ts";
import { waitUntil } from "../../support/waitUntil.ts";
import { RespClient as Client, encodeCommand as command } from "./respClient.ts";

const FULL_ACCESS: StandInUser = { name: "tasks", password: "letmein", access: "on ~* &* +@all" };

describe("the stand-in for Valkey", () => {
  let standIn: ValkeyStandIn;

  describe("with the user that the program declares", () => {
    let user: StandInUser;

    before(async function () {
      const backplane = readBackplane(await declaredGraph("dev"));
      assert.ok(backplane);
      ({ user } = backplane);
      standIn = await startStandIn(user);
      atSuiteEnd(this, () => standIn.close());
    });

    for (const cluster of [false, true]) {
      describeLogContract(`Valkey, on the stand-in${cluster ? " as a cluster" : ""},`, {
        shared: true,
        // Its interpreter is much slower than Valkey.
        maxChannels: 200,
        open: (retentionOf) =>
          createValkeyLog({
            retentionOf,
            url: `redis://${user.name}@127.0.0.1:${standIn.port}`,
            password: user.password,
            cluster,
            publishTimeoutSeconds: 5,
            logger: silent,
          }),
      });
    }

    it("refuses commands that the access string does not allow, also in scripts", async () => {
      using client = await Client.authorized(standIn, user);
      assert.match(await client.ask("INFO"), /redis_version/);
      assert.match(await client.ask("CLIENT", "SETNAME", "x"), /^\+OK/);
      assert.match(await client.ask("CLIENT", "LIST"), /^-NOPERM/);
      assert.match(await client.ask("FLUSHALL"), /^-NOPERM/);
      assert.match(
        await client.ask("EVAL", "return redis.call('FLUSHALL')", "0"),
        /^-ERR ACL failure in script/,
      );
    });
  });

  it("applies the categories of an access string, of which the last word for a command decides", async () => {
    const access = "on ~* -@all +@read +@write +@connection -set +xadd";
    const limited = await startStandIn({ ...FULL_ACCESS, access });
    try {
      using client = await Client.authorized(limited, FULL_ACCESS);
      assert.match(await client.ask("GET", "x"), /^\$-1/);
      assert.match(await client.ask("CLIENT", "SETNAME", "x"), /^\+OK/);
      for (const words of [
        ["SET", "x", "y"],
        ["SUBSCRIBE", "x"],
        ["CLIENT", "LIST"],
        ["EVAL", "return 1", "0"],
      ]) {
        assert.match(await client.ask(...words), /^-NOPERM/, words.join(" "));
      }
    } finally {
      await limited.close();
    }
  });

  describe("with RESP2", () => {
    before(async function () {
      standIn = await startStandIn(FULL_ACCESS);
      atSuiteEnd(this, () => standIn.close());
    });

    it("requires the user name and the password", async () => {
      using client = await Client.connect(standIn);
      assert.match(await client.ask("XREAD", "STREAMS", "s", "0"), /^-NOAUTH/);
      assert.match(await client.ask("AUTH", FULL_ACCESS.name, "guessed"), /^-WRONGPASS/);
      assert.match(await client.ask("AUTH", FULL_ACCESS.password), /^-WRONGPASS/);
      assert.match(await client.ask("AUTH", FULL_ACCESS.name, FULL_ACCESS.password), /^\+OK/);
    });

    it("parses commands in any chunks, and several at once", async () => {
      using client = await Client.authorized(standIn, FULL_ACCESS);
      const bytes = Buffer.from(command("HSET", "h", "ü", "€\r\n") + command("HMGET", "h", "ü", "none"));
      for (const byte of bytes) {
        client.socket.write(Uint8Array.of(byte));
        await nextTurn();
      }
      const expected = ":1\r\n*2\r\n$5\r\n€\r\n\r\n$-1\r\n";
      assert.equal(await client.read(expected.length), expected);
    });

    it("closes a connection after invalid bytes, and keeps the others", async () => {
      using other = await Client.authorized(standIn, FULL_ACCESS);
      for (const bytes of ["GET / HTTP/1.1\r\n\r\n", "*1\r\n:1\r\n", "*-1\r\n", "*1\r\n$-3\r\n"]) {
        using client = await Client.connect(standIn);
        const closed = once(client.socket, "close");
        client.socket.write(bytes);
        await closed;
      }
      assert.match(await other.ask("EXISTS", "nothing"), /^:0/);
    });

    it("refuses unsupported commands by name", async () => {
      using client = await Client.authorized(standIn, FULL_ACCESS);
      assert.match(await client.ask("LPUSH", "x", "y"), /^-ERR unknown command 'lpush'/);
    });

    it("keeps strings until they expire", async () => {
      using client = await Client.authorized(standIn, FULL_ACCESS);
      assert.equal(await client.ask("SET", "s", "value", "PX", "1"), "+OK\r\n");
      await waitUntil(async () => (await client.ask("GET", "s")) === "$-1\r\n");
      await client.ask("SET", "s", "other");
      assert.equal(await client.ask("GET", "s"), "$5\r\nother\r\n");
      assert.match(await client.ask("HLEN", "s"), /^-WRONGTYPE/);
    });

    it("runs the commands of a transaction at its end", async () => {
      using client = await Client.authorized(standIn, FULL_ACCESS);
      using other = await Client.authorized(standIn, FULL_ACCESS);
      await client.ask("SET", "t", "value");
      assert.equal(await client.ask("MULTI"), "+OK\r\n");
      for (const words of [
        ["GET", "t"],
        ["HLEN", "t"],
        ["DEL", "t"],
      ]) {
        assert.equal(await client.ask(...words), "+QUEUED\r\n");
      }
      assert.match(await other.ask("EXISTS", "t"), /^:1/);
      assert.match(await client.ask("EXEC"), /^\*3\r\n\$5\r\nvalue\r\n-WRONGTYPE.*\r\n:1\r\n$/);
      assert.match(await client.ask("EXEC"), /^-ERR EXEC without MULTI/);
    });

    it("ends a blocking read at a new entry, at its timeout, and with its connection", async () => {
      using writer = await Client.authorized(standIn, FULL_ACCESS);
      using reader = await Client.authorized(standIn, FULL_ACCESS);
      const waiting = reader.ask("XREAD", "BLOCK", "0", "STREAMS", "news", "$");
      // Another connection is served during the blocking read.
      assert.match(await writer.ask("XADD", "news", "5-*", "name", "value"), /5-0/);
      assert.match(await waiting, /news[^]*5-0[^]*value/);
      assert.match(await reader.ask("XREAD", "BLOCK", "10", "STREAMS", "news", "5-0"), /^\*-1/);

      const abandoned = await Client.authorized(standIn, FULL_ACCESS);
      abandoned.socket.write(command("XREAD", "BLOCK", "0", "STREAMS", "news", "$"));
      abandoned.socket.destroy();
      assert.match(await writer.ask("XADD", "news", "5-*", "name", "value"), /5-1/);
    });

    it("deletes keys when they expire", async () => {
      using client = await Client.authorized(standIn, FULL_ACCESS);
      await client.ask("HSET", "brief", "a", "b");
      assert.match(await client.ask("PEXPIRE", "brief", "1"), /^:1/);
      await waitUntil(async () => (await client.ask("EXISTS", "brief")) === ":0\r\n");
      assert.match(await client.ask("PEXPIRE", "brief", "1"), /^:0/);
    });

    it("runs scripts with any text, and by their digest", async () => {
      using client = await Client.authorized(standIn, FULL_ACCESS);
      const text = "\0\uE000\uE0000é";
      const echo = "return {KEYS[1], ARGV[1], 7, false}";
      const expected = `*4\r\n$1\r\nk\r\n$${Buffer.byteLength(text)}\r\n${text}\r\n:7\r\n$-1\r\n`;
      assert.equal(await client.ask("EVAL", echo, "1", "k", text), expected);
      assert.match(await client.ask("EVALSHA", "0".repeat(40), "0"), /^-NOSCRIPT/);
      assert.match(await client.ask("EVAL", "return (", "0"), /^-ERR Error compiling script/);
      const wrongType =
        "redis.call('HSET', KEYS[1], 'a', 'b') return redis.call('XRANGE', KEYS[1], '-', '+')";
      assert.match(await client.ask("EVAL", wrongType, "1", "typed"), /^-WRONGTYPE/);
    });
  });
});
