import assert from "node:assert/strict";
import { once } from "node:events";
import type { IncomingMessage } from "node:http";

import fc from "fast-check";

import type { Authorizer } from "../../../app/src/auth/authorize.ts";
import { FULL_ACCESS } from "../../../app/src/auth/authorize.ts";
import { clientAddress } from "../../../app/src/auth/clientAddress.ts";
import { defaultSettings } from "../../../app/src/settings/settings.ts";
import { User, createUserKey, Users } from "../../../app/src/auth/users.ts";
import { connectChannels } from "../support/channelsClient.ts";
import { Client, connect, refusal } from "../support/client.ts";
import { ManualLog } from "../support/logs.ts";
import { memoryInUse } from "../support/memory.ts";
import { exchange, openSocket, upgradeRequest } from "../support/rawClient.ts";
import { startServer } from "../support/server.ts";
import { afterwards, tearDown } from "../support/teardown.ts";
import { waitUntil } from "../../support/waitUntil.ts";

const KIB = 1024;

/** Offset of the times in these tests from the clock, so that a slow machine does not change the result. */
const LATER_MS = 60_000;

describe("the address of a client", () => {
  const addressOf = (remoteAddress: string, forwarded: string | undefined, trustedProxies: number): string =>
    clientAddress(
      // What the function reads of a request.
      { headers: { "x-forwarded-for": forwarded }, socket: { remoteAddress } } as unknown as IncomingMessage,
      trustedProxies,
    );

  for (const [proxies, forwarded, expected] of [
    [0, undefined, "192.0.2.9"],
    [0, "198.51.100.1", "192.0.2.9"],
    [1, "198.51.100.1", "198.51.100.1"],
    [1, "203.0.113.7, 198.51.100.1", "198.51.100.1"],
    [2, "198.51.100.1, 203.0.113.7", "198.51.100.1"],
    [2, "1.1.1.1,2.2.2.2 ,198.51.100.1,203.0.113.7", "198.51.100.1"],
    // Has passed fewer proxies.
    [2, "198.51.100.1", "198.51.100.1"],
    [1, undefined, "192.0.2.9"],
    [1, "", "192.0.2.9"],
    [1, "unknown", "192.0.2.9"],
    [1, "198.51.100.1:50000", "198.51.100.1"],
    [1, "[2001:db8::1]:50000", "2001:db8:0:0::/64"],
    [1, "2001:db8::1:5000", "2001:db8:0:0::/64"],
  ] as const) {
    it(`is ${expected} behind ${proxies} proxies that append ${JSON.stringify(forwarded)}`, () => {
      assert.equal(addressOf("192.0.2.9", forwarded, proxies), expected);
    });
  }

  for (const [address, network] of [
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
    ["2001:0DB8:1:2::1", "2001:db8:1:2::/64"],
    ["2001:db8::1", "2001:db8:0:0::/64"],
    ["::1", "0:0:0:0::/64"],
    ["::", "0:0:0:0::/64"],
    ["fe80::1%eth0", "fe80:0:0:0::/64"],
    ["64:ff9b::192.0.2.1", "64:ff9b:0:0::/64"],
    ["1::2:3:4:5:6", "1:0:0:2::/64"],
    ["::ffff:192.0.2.1", "192.0.2.1"],
    ["::FFFF:c000:201", "192.0.2.1"],
    ["0:0:0:0:0:ffff:192.0.2.1", "192.0.2.1"],
    ["::ffff:0:192.0.2.1", "0:0:0:0::/64"],
    ["192.0.2.1", "192.0.2.1"],
  ] as const) {
    it(`counts ${address} as ${network}`, () => {
      assert.equal(addressOf(address, undefined, 0), network);
    });
  }

  it("is the entry of the trusted proxies, whatever entries a client sends", () => {
    fc.assert(
      fc.property(fc.string(), fc.ipV4(), fc.ipV6(), (sent, client, proxy) => {
        assert.equal(addressOf("192.0.2.9", `${sent}, ${client}, ${proxy}`, 2), client);
      }),
    );
  });
});

describe("users", () => {
  const LIMITS = { ...defaultSettings(), connectionsPerUser: 3, channelsPerUser: 2 };

  it("are as many as there are connections, channels and limits for, after any joins and leaves", () => {
    const step = fc.record({
      user: fc.constantFrom("a", "b"),
      channel: fc.constantFrom("", "1", "2"),
      leaves: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const users = new Users(LIMITS);
        const open: { user: User; key: string; channel: string }[] = [];
        for (const { user: key, channel, leaves } of steps) {
          const own = open.filter((connection) => connection.key === key);
          if (leaves) {
            const gone = own.find((connection) => connection.channel === channel);
            if (gone === undefined) continue;
            open.splice(open.indexOf(gone), 1);
            gone.user.exit(channel);
            gone.user.disconnect();
          } else {
            const channels = new Set(own.map((connection) => connection.channel));
            const expected =
              own.length >= 3
                ? "connections"
                : channels.size >= 2 && !channels.has(channel)
                  ? "channels"
                  : undefined;
            const user = users.connect(key);
            if (typeof user === "string") {
              assert.equal(user, expected);
            } else {
              const limit = user.enter(channel);
              assert.equal(limit, expected);
              if (limit === undefined) open.push({ user, key, channel });
              else user.disconnect();
            }
          }
          users.sweep(Infinity);
          assert.equal(users.size, new Set(open.map((connection) => connection.key)).size);
        }
      }),
    );
  });

  it("recover their bytes at the rate, even if they leave, and are forgotten then", () => {
    const users = new Users({ ...LIMITS, maxPayloadBytes: 1, bytesPerSecondPerUser: 10 * KIB });
    const join = (): User => {
      const joined = users.connect("a");
      assert.ok(joined instanceof User);
      return joined;
    };
    const user = join();
    const now = performance.now() + LATER_MS;
    assert.ok(user.take(40 * KIB, now));
    assert.ok(!user.take(1, now));
    user.disconnect();
    assert.equal(users.size, 1);
    assert.equal(join(), user);
    assert.ok(user.take(5 * KIB, now + 500));
    assert.ok(!user.take(5 * KIB, now + 500));
    user.disconnect();
    users.sweep(now + 4000);
    assert.equal(users.size, 1);
    users.sweep(now + 4500);
    assert.equal(users.size, 0);
  });

  it("may open their maximum number of connections once every 30 seconds", () => {
    const users = new Users({ ...LIMITS, connectionsPerUser: 200 });
    const connect = (now: number): unknown => {
      const joined = users.connect("a", now);
      if (!(joined instanceof User)) return joined;
      joined.disconnect();
      return "joined";
    };
    // A whole number, so that the sum of the shares is exact.
    const now = Math.ceil(performance.now()) + LATER_MS;
    for (let n = 0; n < 200; n++) assert.equal(connect(now), "joined");
    assert.equal(connect(now), "connects");
    assert.equal(connect(now + 149), "connects");
    assert.equal(connect(now + 151), "joined");
    assert.equal(connect(now + 151), "connects");
    users.sweep(now + 30_000);
    assert.equal(users.size, 1);
    users.sweep(now + 30_151);
    assert.equal(users.size, 0);
  });

  it("may enter their maximum number of channels once every 30 seconds", () => {
    const users = new Users({ ...LIMITS, channelsPerUser: 200 });
    const user = users.connect("a", 0);
    assert.ok(user instanceof User);
    // A whole number, so that the sum of the shares is exact.
    const now = Math.ceil(performance.now()) + LATER_MS;
    let entered = 0;
    const enterAnother = (at: number): unknown => {
      const channel = String((entered += 1));
      const limit = user.enter(channel, at);
      if (limit === undefined) user.exit(channel);
      return limit;
    };
    assert.equal(user.enter("kept", now), undefined);
    for (let n = 1; n < 200; n++) assert.equal(enterAnother(now), undefined);
    assert.equal(enterAnother(now), "entries");
    assert.equal(user.enter("kept", now), undefined, "a channel that the user has");
    assert.equal(enterAnother(now + 149), "entries");
    assert.equal(enterAnother(now + 151), undefined);
    assert.equal(enterAnother(now + 151), "entries");
    user.exit("kept");
    user.exit("kept");
    user.disconnect();
    users.sweep(now + 30_000);
    assert.equal(users.size, 1);
    users.sweep(now + 30_151);
    assert.equal(users.size, 0);
  });

  it("may have a quarter of the subscriptions of a task", () => {
    const users = new Users({ ...LIMITS, maxSubscriptions: 40 });
    const user = users.connect("a");
    assert.ok(user instanceof User);
    for (let n = 0; n < 10; n++) assert.equal(user.enter(String(n % 2)), undefined);
    assert.equal(user.enter("0"), "readers");
    user.exit("1");
    assert.equal(user.enter("0"), undefined);
  });

  it("without a connection are known until their rate of requests has recovered", () => {
    const users = new Users({ ...LIMITS, messagesPerSecond: 1, messageBurst: 2 });
    const user = users.visit("a");
    assert.deepEqual(
      [0, 0, 0].map((at) => user.takeRequest(at)),
      [true, true, false],
    );
    users.sweep(1999);
    assert.equal(users.visit("a"), user);
    assert.equal(user.takeRequest(1000), true);
    users.sweep(2999);
    assert.equal(users.size, 1);
    users.sweep(3000);
    assert.equal(users.size, 0);
  });

  it("of one connection each cost few bytes", () => {
    const users = new Users(defaultSettings());
    const COUNT = 20_000;
    const keys = Array.from({ length: COUNT }, (_, n) =>
      createUserKey(undefined, `10.0.${n >> 8}.${n & 255}`),
    );
    const before = memoryInUse();
    const joined = keys.map((key) => users.connect(key));
    const perUser = (memoryInUse() - before) / COUNT;
    assert.equal(joined.length, users.size);
    assert.ok(perUser < 250, `${perUser} bytes`);
  });
});

describe("limits per user", () => {
  afterEach(tearDown);

  /** The header is the subject of the token. */
  const bySubject: Authorizer = ({ authorization }) =>
    Promise.resolve({
      granted: true,
      access: FULL_ACCESS,
      ...(authorization !== undefined && { subject: authorization }),
    });
  const subject = (name: string) => ({ headers: { authorization: name } });

  it("refuse connections above the limit with 429 and a reason, and accept one after another has closed", async () => {
    const { url, address, metrics } = await startServer({ connectionsPerUser: 2 });
    const first = await connect(url);
    await connect(`${url}/a`);
    assert.deepEqual(await refusal(url), { status: 429, retryAfter: "5" });
    assert.match(
      await exchange(address.port, upgradeRequest()),
      /\r\n\r\nOne user has too many connections\.$/,
    );
    assert.deepEqual(metrics.snapshot().tally.usersLimited, { connections: 2 });
    first.webSocket.close();
    await first.closed;
    await connect(url);
  });

  it("refuse channels above the limit, and accept connections to the present ones", async () => {
    const { url } = await startServer({ channelsPerUser: 2 });
    const first = await connect(`${url}/a`);
    await connect(`${url}/b`);
    await connect(`${url}/b`);
    assert.equal((await refusal(`${url}/c`)).status, 429);
    first.webSocket.terminate();
    await waitUntil(async () => {
      const { status } = await refusal(`${url}/c`).catch(() => ({ status: 101 }));
      return status === 101;
    });
  });

  it("apply per subject, or per address if there is no subject", async () => {
    const { url } = await startServer(
      { connectionsPerUser: 1, channelsPerUser: 1, trustedProxies: 1 },
      { authorize: bySubject },
    );
    const from = (address: string) => ({ headers: { "x-forwarded-for": `9.9.9.9, ${address}` } });
    await connect(`${url}/a`, subject("alice"));
    assert.equal((await refusal(`${url}/b`, subject("alice"))).status, 429);
    await connect(`${url}/b`, subject("bob"));
    await connect(`${url}/c`, from("192.0.2.1"));
    assert.equal((await refusal(`${url}/c`, from("192.0.2.1"))).status, 429);
    await connect(`${url}/c`, from("192.0.2.2"));
    await connect(`${url}/c`, from("2001:db8::1"));
    assert.equal((await refusal(`${url}/c`, from("2001:db8::2"))).status, 429);
    await connect(`${url}/c`, from("2001:db8:0:1::2"));
  });

  it("close the sender of bytes above the rate with 1008, over all connections of the user", async () => {
    const { url, metrics } = await startServer({ maxPayloadBytes: 4 * KIB, bytesPerSecondPerUser: 1 * KIB });
    const clients = [await connect(url), await connect(url), await connect(url)];
    // The burst is four messages of the largest size.
    const text = "x".repeat(4 * KIB - 2);
    for (const client of clients) for (let n = 0; n < 2; n++) client.send(text);
    const closed = await Promise.race(clients.map((client) => client.closed));
    assert.deepEqual(closed, { code: 1008, reason: "more than 1024 bytes per second of one user" });
    await waitUntil(() => (metrics.snapshot().tally.usersLimited["bytes"] ?? 1) > 0);
  });

  it("do not count an upgrade that has failed, was rejected, or whose client has left", async () => {
    const log = new ManualLog();
    const { url, address } = await startServer({ connectionsPerUser: 1 }, { log });
    const waiting = connect(`${url}/a`);
    await waitUntil(() => log.readers.size > 0);
    assert.equal((await refusal(`${url}/b`)).status, 429, "an upgrade that waits for its channel counts");
    log.reader("a").started({ epoch: "e", next: 1 });
    const client = await waiting;
    client.webSocket.terminate();
    await client.closed;

    // The client goes while its upgrade waits.
    await waitUntil(() => {
      const socket = openSocket(address.port);
      socket.write(upgradeRequest("/wss/c"));
      return once(socket, "data", { signal: AbortSignal.timeout(200) }).then(
        () => false,
        () => {
          socket.destroy();
          return true;
        },
      );
    });
    assert.equal((await refusal(`${url}/d`)).status, 429);
    log.reader("c").started({ epoch: "e", next: 1 });
    await waitUntil(() =>
      refusal(`${url}/a`).then(
        () => false,
        () => true,
      ),
    );
  });

  /** Publishes 1 with the id "same", and returns the acknowledgement without its epoch. */
  async function publishSame(url: string, headers: Record<string, string>): Promise<unknown> {
    const client = await connectChannels(url, { headers });
    client.send({ publish: 1, channel: "a", id: "same" });
    return { ...(await client.nextObject()), epoch: undefined };
  }

  it("keep the ids of subjects separate", async () => {
    const { url } = await startServer({}, { authorize: bySubject });
    const ack = { ack: "same", channel: "a", epoch: undefined };
    assert.deepEqual(await publishSame(url, subject("alice").headers), { ...ack, offset: 1 });
    assert.deepEqual(await publishSame(url, subject("bob").headers), { ...ack, offset: 2 });
    const again = await publishSame(url, subject("alice").headers);
    assert.deepEqual(again, { ...ack, offset: 1, duplicate: true });
  });

  it("are charged for publishes, even without a token", async () => {
    const log = new ManualLog();
    const { url } = await startServer({ trustedProxies: 1 }, { log });
    const client = new Client(url, { headers: { "X-Forwarded-For": "198.51.100.1" } });
    afterwards(() => {
      client.webSocket.terminate();
    });
    await waitUntil(() => log.readers.has(""));
    log.reader("").started({ epoch: "e", next: 1 });
    await client.nextValue();
    client.send(1);
    await waitUntil(() => log.appends.length > 0);
    const { publisher, user } = log.appends[0]?.message ?? assert.fail("not appended");
    assert.deepEqual([publisher, user], [undefined, createUserKey(undefined, "198.51.100.1")]);
  });

  it("recognize an id after the address of a client without a token has changed", async () => {
    const { url } = await startServer({ trustedProxies: 1 });
    const ack = { ack: "same", channel: "a", epoch: undefined, offset: 1 };
    assert.deepEqual(await publishSame(url, { "X-Forwarded-For": "198.51.100.1" }), ack);
    const again = await publishSame(url, { "X-Forwarded-For": "198.51.100.2" });
    assert.deepEqual(again, { ...ack, duplicate: true });
  });
});
