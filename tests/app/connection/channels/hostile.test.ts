/** Clients of channels.v1 that mean harm, all on one server, beside one client that behaves and must not notice. */
import assert from "node:assert/strict";
import { once } from "node:events";

import fc from "fast-check";

import { connectChannels } from "../../support/channelsClient.ts";
import type { ChannelsClient } from "../../support/channelsClient.ts";
import { clientFrame, connectRawSubscriber, textsOf } from "../../support/rawClient.ts";
import type { RawClient } from "../../support/rawClient.ts";
import { growsByLessThan, memoryInUse } from "../../support/memory.ts";
import { startServer, UNLIMITED } from "../../support/server.ts";
import type { TestServer } from "../../support/server.ts";
import { tearDown } from "../../support/teardown.ts";
import { waitUntil } from "../../../support/waitUntil.ts";

const MIB = 1024 * 1024;

describe("hostile clients of channels.v1", () => {
  let server: TestServer;
  let good: ChannelsClient;
  let served = 0;

  const connectHostile = (): Promise<RawClient> => connectRawSubscriber(server.address.port);

  before(async () => {
    server = await startServer({ ...UNLIMITED, subscriptionsPerConnection: 10_000, channelsPerUser: 20_000 });
    good = await connectChannels(server.url);
    await good.subscribe("/");
  });

  afterEach(async () => {
    // The client that behaves is still served, and nothing is left of the others.
    const text = `still here ${(served += 1)}`;
    good.send({ publish: text, channel: "/" });
    assert.equal((await good.nextObject())["message"], text);
    await waitUntil(() => server.connections() === 1 && server.subscriptions() === 1);
    await waitUntil(() => server.hub.channels === 1);
  });

  after(tearDown);

  it("may send any JSON, and are answered", async () => {
    const client = await connectChannels(server.url);
    const depth = 30_000;
    const nested = "[".repeat(depth) + "]".repeat(depth);
    const errors: [text: string, code: string][] = [
      [`{"subscribe":${nested}}`, "too_deep"],
      [`{"subscribe":${"[".repeat(60_000)}`, "too_deep"],
      [`{"publish":1,"channel":${"[".repeat(60)}${"]".repeat(60)}}`, "invalid_message"],
      [`{"subscribe":"${"a".repeat(60_000)}"}`, "invalid_channel"],
      [`{"unsubscribe":"${"\\u0000".repeat(10_000)}"}`, "invalid_channel"],
      ...["", ".", "..", "a/b", "/a", "//", "a b", "é", "a\\n", "\\ud800"].map((name): [string, string] => [
        `{"subscribe":"${name}"}`,
        "invalid_channel",
      ]),
      ...["null", "1", "{}", '["a"]', "true"].map((name): [string, string] => [
        `{"subscribe":${name}}`,
        "invalid_message",
      ]),
      ['{"subscribe":"a","unsubscribe":"a"}', "invalid_message"],
      ['{"subscribe":"a","publish":1,"channel":"a"}', "invalid_message"],
      ['{"__proto__":{"subscribe":"a"}}', "invalid_message"],
      ['{"publish":1,"__proto__":{"channel":"a"}}', "invalid_message"],
      ["[]", "invalid_message"],
      ['["subscribe","a"]', "invalid_message"],
      ["null", "invalid_message"],
      ...["-1", "0.5", "9007199254740992", "1e400", "-0.1", '"1"', "null", "[1]"].map(
        (offset): [string, string] => [`{"subscribe":"a","epoch":"e","offset":${offset}}`, "invalid_message"],
      ),
      ...["0", "-1", "1001", "1.5", "1e9", '"5"', "null", "{}"].map((last): [string, string] => [
        `{"subscribe":"a","last":${last}}`,
        "invalid_message",
      ]),
      ['{"subscribe":"a","epoch":"e"}', "invalid_message"],
      ['{"subscribe":"a","offset":1}', "invalid_message"],
      ['{"subscribe":"a","epoch":1,"offset":1}', "invalid_message"],
      [`{"subscribe":"a","epoch":"${"é".repeat(65)}","offset":1}`, "invalid_message"],
      ['{"subscribe":"a","epoch":"e","offset":1,"last":1}', "invalid_message"],
      [`{"publish":1,"channel":"a","id":"${"i".repeat(129)}"}`, "invalid_message"],
      [`{"publish":1,"channel":"a","id":${"9".repeat(60_000)}}`, "invalid_message"],
      [`{"publish":1,"channel":"a","id":{"length":1}}`, "invalid_message"],
      ['{"publish":1,"channel":"a","id":"\\ud800"}', "invalid_message"],
      [`{"publish":9007199254740993,"channel":"a"}`, "unsafe_number"],
      ['{"publish":'.repeat(5000) + "1" + "}".repeat(5000), "too_deep"],
      [`{"publish":${nested},"channel":"a","id":"deep"}`, "too_deep"],
      [`\ufeff{"publish":1,"channel":"a"}`, "invalid_json"],
    ];
    for (const [text, code] of errors) {
      client.webSocket.send(text);
      const { error } = (await client.nextObject()) as { readonly error?: { readonly code: string } };
      assert.equal(error?.code, code, text.slice(0, 100));
    }
    for (const value of [
      `"${"\\u0000".repeat(10_000)}"`,
      `{${Array.from({ length: 5000 }, (_, n) => `"${n}":1`).join()}}`,
      '{"__proto__":{"toJSON":1},"constructor":{"prototype":1}}',
      '{"toJSON":"x"}',
      '"\\ud800"',
    ]) {
      const id = value.slice(0, 20);
      client.webSocket.send(`{"publish":${value},"channel":"a","id":${JSON.stringify(id)}}`);
      assert.equal((await client.nextObject())["ack"], id);
    }
    assert.equal(({} as Record<string, unknown>)["toJSON"], undefined);
    client.webSocket.terminate();
  });

  it("may use names that objects have", async () => {
    const client = await connectChannels(server.url);
    const names = ["__proto__", "constructor", "toString", "hasOwnProperty", "then", "0", "-1", "~"];
    for (const name of names) {
      await client.subscribe(name);
      client.send({ publish: { name }, channel: name });
      await client.expect(name, 1, { name });
    }
    for (const name of names) {
      client.send({ unsubscribe: name });
      assert.deepEqual(await client.nextObject(), { unsubscribed: name });
    }
    client.webSocket.terminate();
  });

  it("may subscribe and unsubscribe 10,000 times, and each request is answered", async () => {
    const raw = await connectHostile();
    const before = memoryInUse();
    const frames = Array.from({ length: 10_000 }, (_, n) => {
      const name = `c${n % 7}`;
      return clientFrame(0x1, JSON.stringify(n % 3 === 2 ? { unsubscribe: name } : { subscribe: name }));
    });
    raw.socket.write(Buffer.concat(frames));
    raw.socket.write(clientFrame(0x1, '{"publish":1,"channel":"end","id":"end"}'));
    await raw.seen('"ack":"end"');
    const answers = textsOf(raw.received()).filter((text) => !text.startsWith('{"heartbeat"'));
    // The greeting and the acknowledgement are among them. An unsubscribe can replace the answer of a pending subscribe.
    const unanswered = 10_002 - answers.length;
    assert.ok(unanswered >= 0 && unanswered < 5000, `${unanswered} without an answer`);
    raw.socket.destroy();
    await waitUntil(() => server.connections() === 1);
    await growsByLessThan(10 * MIB, before);
  });

  it("may subscribe to 10,000 channels, read nothing, and disconnect", async () => {
    const raw = await connectHostile();
    const before = memoryInUse();
    raw.socket.pause();
    const frames = Array.from({ length: 10_000 }, (_, n) => clientFrame(0x1, `{"subscribe":"c${n}"}`));
    raw.socket.write(Buffer.concat(frames));
    await waitUntil(() => server.subscriptions() > 9_000);
    raw.socket.destroy();
    await waitUntil(() => server.hub.channels === 1);
    await growsByLessThan(20 * MIB, before);
  });

  it("may send any requests in any order", async () => {
    const request = fc.oneof(
      fc.record({ subscribe: fc.constantFrom("a", "b", "/") }),
      fc.record({ subscribe: fc.constantFrom("a", "b"), last: fc.integer({ min: 0, max: 3 }) }),
      fc.record({ subscribe: fc.constantFrom("a", "b"), epoch: fc.string(), offset: fc.maxSafeNat() }),
      fc.record({ unsubscribe: fc.constantFrom("a", "b", "/") }),
      fc.record({ publish: fc.jsonValue(), channel: fc.constantFrom("a", "b"), id: fc.string() }),
      fc.jsonValue(),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(request, { maxLength: 30 }), async (requests) => {
        const raw = await connectHostile();
        const texts = [...requests, { publish: 0, channel: "end", id: "end of any" }].map((each) =>
          JSON.stringify(each),
        );
        raw.socket.write(Buffer.concat(texts.map((text) => clientFrame(0x1, text))));
        await raw.seen('"ack":"end of any"');
        const open = new Map<unknown, number>();
        for (const text of textsOf(raw.received())) checkOrder(JSON.parse(text) as object, open);
        const closed = once(raw.socket, "close");
        raw.socket.destroy();
        await closed;
      }),
      { numRuns: 100 },
    );
  });
});

/** Messages of a channel come between subscribed and unsubscribed, with consecutive offsets. */
function checkOrder(received: object, next: Map<unknown, number>): void {
  const { subscribed, unsubscribed, channel, offset, message, gap } = received as Record<string, unknown>;
  if (subscribed !== undefined) {
    assert.ok(!next.has(subscribed));
    next.set(subscribed, Number(offset) + 1);
  } else if (unsubscribed !== undefined) {
    next.delete(unsubscribed);
  } else if (message !== undefined) {
    assert.equal(offset, next.get(channel));
    next.set(channel, Number(offset) + 1);
  } else if (gap !== undefined) {
    assert.ok(next.has((gap as { readonly channel: unknown }).channel));
  }
}
