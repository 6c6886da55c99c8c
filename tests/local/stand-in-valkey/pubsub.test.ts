/** Replies that the stand-in and a real Valkey have in common, byte by byte. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { startValkeyServer } from "../../../cli/valkeyServer.ts";
import { startStandIn, type StandInUser } from "../../../local/stand-in-valkey/server.ts";
import { atSuiteEnd } from "../../support/atSuiteEnd.ts";
import { requireValkey } from "../../support/valkey.ts";
import { waitUntil } from "../../support/waitUntil.ts";
import { encodeCommand, RespClient } from "./respClient.ts";

const USER: StandInUser = { name: "tasks", password: "letmein", access: "on ~* resetchannels &news:* +@all" };

/** More than the output that a server keeps for a subscriber, and what two sockets hold besides. */
const FLOOD_MIB = 64;
const MESSAGE = "x".repeat(8 * 1024);
const MESSAGES_PER_MIB = 128;

const NO_CHANNEL = "No permissions to access a channel";
const WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value";
const IN_SCRIPT = " script: on @user_script:1.";

interface Server {
  readonly port: number;
  close(): Promise<void>;
}

const STARTS: Readonly<Record<string, (test: Mocha.Context) => Promise<Server>>> = {
  "the stand-in": () => startStandIn(USER),
  "valkey-server": async (test) =>
    startValkeyServer({
      binary: await requireValkey(test),
      directives: [["user", USER.name, `>${USER.password}`, ...USER.access.split(" ")]],
    }),
};

for (const [name, start] of Object.entries(STARTS)) {
  describe(`publish and subscribe with ${name}`, () => {
    let server: Server;
    let client: RespClient;
    let subscriber: RespClient;

    before(async function () {
      server = await start(this);
      atSuiteEnd(this, () => server.close());
    });

    beforeEach(async () => {
      client = await RespClient.authorized(server, USER);
      subscriber = await RespClient.authorized(server, USER);
    });

    afterEach(() => {
      for (const each of [client, subscriber]) each[Symbol.dispose]();
    });

    for (const prefix of ["", "s"]) {
      const subscribe = `${prefix}subscribe`;
      const unsubscribe = `${prefix}unsubscribe`;

      it(`confirms ${subscribe}, and sends the messages of a channel`, async () => {
        await subscriber.expect(
          [subscribe, "news:a", "news:b", "news:a"],
          encode([subscribe, "news:a", 1]) +
            encode([subscribe, "news:b", 2]) +
            encode([subscribe, "news:a", 2]),
        );
        await client.expect([`${prefix}publish`, "news:b", "line\r\nline"], ":1\r\n");
        await client.expect([`${prefix}publish`, "news:c", "x"], ":0\r\n");
        assert.equal(await subscriber.read(1), encode([`${prefix}message`, "news:b", "line\r\nline"]));
        const script = `return redis.call('${prefix}publish', KEYS[1], ARGV[1])`;
        await client.expect(["EVAL", script, "1", "news:a", "€"], ":1\r\n");
        assert.equal(await subscriber.read(1), encode([`${prefix}message`, "news:a", "€"]));
        await subscriber.expect([unsubscribe, "news:b"], encode([unsubscribe, "news:b", 1]));
        await client.expect([`${prefix}publish`, "news:b", "x"], ":0\r\n");
        const count = prefix === "" ? "NUMSUB" : "SHARDNUMSUB";
        await client.expect(["PUBSUB", count, "news:a", "news:b"], encode(["news:a", 1, "news:b", 0]));
        await subscriber.expect([unsubscribe], encode([unsubscribe, "news:a", 0]));
        await subscriber.expect([unsubscribe], encode([unsubscribe, null, 0]));
        await subscriber.expect(["GET", "none"], "$-1\r\n");
        await subscriber.expect([subscribe], `-ERR wrong number of arguments for '${subscribe}' command\r\n`);
      });

      it(`ends the subscriptions of ${subscribe} with their connection`, async () => {
        await subscriber.expect([subscribe, "news:a"], encode([subscribe, "news:a", 1]));
        subscriber[Symbol.dispose]();
        await waitUntil(async () => (await client.ask(`${prefix}publish`, "news:a", "x")) === ":0\r\n");
      });
    }

    it("separates the channels of SUBSCRIBE and SSUBSCRIBE", async () => {
      await subscriber.expect(["SSUBSCRIBE", "news:a"], encode(["ssubscribe", "news:a", 1]));
      await client.expect(["PUBLISH", "news:a", "x"], ":0\r\n");
      await subscriber.expect(["SUBSCRIBE", "news:a"], encode(["subscribe", "news:a", 1]));
      await client.expect(["SPUBLISH", "news:a", "x"], ":1\r\n");
      assert.equal(await subscriber.read(1), encode(["smessage", "news:a", "x"]));
    });

    it("accepts only PING and subscriptions on the connection of a subscriber", async () => {
      await subscriber.expect(["SSUBSCRIBE", "news:a"], encode(["ssubscribe", "news:a", 1]));
      await subscriber.expect(["PING"], encode(["pong", ""]));
      await subscriber.expect(["PING", "x"], encode(["pong", "x"]));
      for (const [word = "", ...args] of [
        ["GET", "x"],
        ["SPUBLISH", "news:a", "x"],
        ["EVAL", "return 1", "0"],
      ]) {
        await subscriber.expect(
          [word, ...args],
          `-ERR Can't execute '${word.toLowerCase()}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context\r\n`,
        );
      }
    });

    it("refuses channels that the access string does not allow, also in scripts", async () => {
      for (const words of [
        ["SSUBSCRIBE", "news:a", "other"],
        ["SUBSCRIBE", "other"],
        ["SPUBLISH", "other", "x"],
        ["PUBLISH", "news", "x"],
      ]) {
        await client.expect(words, `-NOPERM ${NO_CHANNEL}\r\n`);
      }
      const failure = `ERR ACL failure in script: ${NO_CHANNEL}`;
      const publish = "'SPUBLISH', 'other', 'x')";
      await client.expect(["EVAL", `return redis.call(${publish}`, "0"], `-${failure}${IN_SCRIPT}\r\n`);
      await client.expect(["EVAL", `return redis.pcall(${publish}`, "0"], `-${failure}\r\n`);
      await client.expect(
        ["EVAL", `local reply = redis.pcall(${publish} return {reply.err, reply}`, "0"],
        `*2\r\n${encode(failure)}-${failure}\r\n`,
      );
    });

    it("disconnects a subscriber that does not read", async () => {
      await subscriber.expect(["SSUBSCRIBE", "news:a"], encode(["ssubscribe", "news:a", 1]));
      subscriber.socket.pause();
      const publish = encodeCommand("SPUBLISH", "news:a", MESSAGE).repeat(MESSAGES_PER_MIB);
      let replies = "";
      for (let sent = 0; sent < FLOOD_MIB && !replies.endsWith(":0\r\n"); sent++) {
        client.socket.write(publish);
        replies = await client.read(MESSAGES_PER_MIB * ":1\r\n".length);
      }
      assert.match(replies, /:0\r\n$/);
      const closed = once(subscriber.socket, "close");
      subscriber.socket.resume();
      await closed;
    });
  });

  describe(`scripts and keys with ${name}`, () => {
    let server: Server;
    let client: RespClient;

    before(async function () {
      server = await start(this);
      client = await RespClient.authorized(server, USER);
      atSuiteEnd(this, async () => {
        client[Symbol.dispose]();
        await server.close();
      });
    });

    it("returns errors of scripts in the same words", async () => {
      await client.expect(["HSET", "h", "a", "b"], ":1\r\n");
      const read = "'XRANGE', 'h', '-', '+')";
      for (const [script, reply] of [
        [`return redis.call(${read}`, `-${WRONG_TYPE}${IN_SCRIPT}`],
        [`local _, problem = pcall(redis.call, ${read} return {type(problem)}`, "*1\r\n$6\r\nstring"],
        ["error('mine')", `-ERR user_script:1: mine${IN_SCRIPT}`],
        ["return {1, nil, 3}", "*1\r\n:1"],
        [
          "return {1, false, true, 3.9, {ok = 'fine'}, {err = 'bad'}}",
          "*6\r\n:1\r\n$-1\r\n:1\r\n:3\r\n+fine\r\n-bad",
        ],
        ["return redis.error_reply('bad')", "-ERR bad"],
        ["return redis.error_reply('BAD thing')", "-BAD thing"],
        ["return redis.status_reply('fine')", "+fine"],
        [
          "return redis.call('SUBSCRIBE', 'news:a')",
          `-ERR This Valkey command is not allowed from script${IN_SCRIPT}`,
        ],
      ] as const) {
        await client.expect(["EVAL", script, "0"], `${reply}\r\n`);
      }
    });

    it("runs the commands on hashes and streams with the same replies", async () => {
      for (const [command, reply] of [
        ["HSETNX n a 1", ":1"],
        ["HSETNX n a 2", ":0"],
        ["HGET n a", "$1\r\n1"],
        ["HINCRBY n a 5", ":6"],
        ["HINCRBY n a -7", ":-1"],
        ["HINCRBY n a x", "-ERR value is not an integer or out of range"],
        ["HINCRBY h a 1", "-ERR hash value is not an integer"],
        ["HGETALL n", "*2\r\n$1\r\na\r\n$2\r\n-1"],
        ["HDEL n a b", ":1"],
        ["EXISTS n", ":0"],
        ["PTTL n", ":-2"],
        ["XADD s NOMKSTREAM MAXLEN ~ 9 1-* a b", "$-1"],
        ["XADD s 0-0 a b", "-ERR The ID specified in XADD must be greater than 0-0"],
        ["XADD s 1-* a b", "$3\r\n1-0"],
        ["XADD s NOMKSTREAM MAXLEN ~ 9 1-* a b", "$3\r\n1-1"],
        [
          "XADD s 1-1 a b",
          "-ERR The ID specified in XADD is equal or smaller than the target stream top item",
        ],
        ["XLEN s", ":2"],
        ["PTTL s", ":-1"],
        ["XRANGE s 1-1 + COUNT 1000", "*1\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\na\r\n$1\r\nb"],
        ["XRANGE s (1-1 +", "*0"],
        ["XRANGE none - +", "*0"],
        ["XREAD COUNT 1 STREAMS s none 1-1 0-0", "*-1"],
        [
          "XREAD COUNT 1 STREAMS s none 0-0 0-0",
          "*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n1-0\r\n*2\r\n$1\r\na\r\n$1\r\nb",
        ],
      ] as const) {
        await client.expect(command.split(" "), `${reply}\r\n`);
      }
    });
  });
}

function encode(reply: string | number | null | readonly (string | number | null)[]): string {
  if (reply === null) return "$-1\r\n";
  if (typeof reply === "number") return `:${reply}\r\n`;
  if (typeof reply === "string") return `$${Buffer.byteLength(reply)}\r\n${reply}\r\n`;
  return `*${reply.length}\r\n${reply.map(encode).join("")}`;
}
