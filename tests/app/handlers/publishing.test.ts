/** `onPublish`: what is stored, what is refused, and in which order. */
import assert from "node:assert/strict";
import { request as httpRequest } from "node:http";

import { Rejection } from "../../../app/src/handlers/index.ts";
import type { Handlers, PublishEvent, Storable } from "../../../app/src/handlers/index.ts";
import { due, waitUntil } from "../../support/waitUntil.ts";
import { messagesOf, post, problemIn, send } from "../http/api/apiClient.ts";
import { connectChannels } from "../support/channelsClient.ts";
import type { ChannelsClient } from "../support/channelsClient.ts";
import { connect } from "../support/client.ts";
import { recordLog } from "../support/logLines.ts";
import { startManualServer, store } from "../support/manualServer.ts";
import { startServer, UNLIMITED } from "../support/server.ts";
import type { ServerOptions, TestServer } from "../support/server.ts";
import { tearDown } from "../support/teardown.ts";
import type { Settings } from "../../../app/src/settings/settings.ts";

describe("the handler onPublish", () => {
  afterEach(tearDown);

  it("returns the value that is stored", async () => {
    const { client } = await start({ onPublish: ({ value }) => ({ was: value }) });
    await client.subscribe("a");
    client.send({ publish: [1], channel: "a" });
    await client.expect("a", 1, { was: [1] });
  });

  it("is not called for the rest of a batch whose client has left", async () => {
    const values: unknown[] = [];
    const first = Promise.withResolvers<undefined>();
    const onPublish = async ({ value }: PublishEvent): Promise<Storable> => {
      values.push(value);
      if (value === 1) await first.promise;
      return value;
    };
    const server = await startServer(UNLIMITED, { handlers: { onPublish } });
    const url = messagesOf(server.origin);
    const leaving = httpRequest(url, {
      agent: false,
      method: "POST",
      headers: { "Content-Type": "application/x-ndjson" },
    });
    leaving.on("error", () => undefined);
    leaving.end('{"message":1}\n{"message":2}\n{"message":3}');
    await waitUntil(() => values.length === 1);
    const closed = new Promise((resolve) => leaving.once("close", resolve));
    leaving.destroy();
    await closed;
    // The server has seen the end of the connection when it has answered a later one.
    assert.equal((await post(url, '"next"')).status, 201);
    first.resolve(undefined);
    await waitUntil(async () => {
      const { messages } = (await send(url)).body as { messages: readonly { message: unknown }[] };
      return messages.some(({ message }) => message === 1);
    });
    assert.equal((await post(url, '"last"')).status, 201);
    assert.deepEqual(values, [1, "next", "last"]);
  });

  it("receives the client, the channel, the value and the id", async () => {
    const events: PublishEvent[] = [];
    const { client, server } = await start({
      onPublish: (event) => {
        events.push(event);
        return event.value;
      },
    });
    await client.publish("/", { text: "x" }, "i1");
    const plain = await connect(`${server.url}/room`);
    plain.send("y");
    assert.equal(await plain.nextMessage(), "y");
    const [first, second] = events;
    assert.equal(first?.client?.dialect, "channels");
    assert.deepEqual({ ...first, client: undefined }, event("/", { text: "x" }, "i1"));
    assert.equal(second?.client?.dialect, "plain");
    assert.deepEqual({ ...second, client: undefined }, event("room", "y"));
  });

  for (const isAsync of [false, true]) {
    const how = isAsync ? "later" : "at once";
    it(`refuses a message ${how} with its own code`, async () => {
      const { client, server } = await start({
        onPublish: answer(isAsync, ({ value }) => {
          if (value === "bad") throw new Rejection("not_nice", "Be nice.");
          return value;
        }),
      });
      await client.subscribe("a");
      client.send({ publish: "bad", channel: "a", id: "i1" });
      assert.deepEqual(await client.nextObject(), {
        error: { code: "not_nice", message: "Be nice.", channel: "a", id: "i1" },
      });
      client.send({ publish: "good", channel: "a" });
      await client.expect("a", 1, "good");
      const { text } = await server.metrics.exposition();
      assert.match(text, /websocket_publishes_refused_total\{code="application"\} 1/);
    });

    it(`answers an exception ${how} with internal_error, and logs it once`, async () => {
      const { logger, lines } = recordLog();
      const { client } = await start(
        {
          onPublish: answer(isAsync, () => {
            throw new Error("secret reason");
          }),
        },
        {},
        { logger },
      );
      client.send({ publish: 1, channel: "a", id: "i1" });
      const text = await client.next();
      assert.match(text, /"code":"internal_error"/);
      assert.doesNotMatch(text, /secret/);
      const failures = lines.filter(({ msg }) => msg === "a handler failed");
      assert.equal(failures.length, 1);
      assert.match(
        JSON.stringify(failures),
        /secret reason.*"handler":"onPublish","connection":"[0-9a-f]{8}-1"/,
      );
    });

    it(`answers a thrown value ${how} that has no string`, async () => {
      const thrown = [
        Object.create(null),
        {
          toString: () => {
            throw new Error("no string");
          },
        },
      ] as const;
      const { client } = await start({
        onPublish: answer(isAsync, ({ value }) => {
          throw thrown[Number(value)];
        }),
      });
      for (const value of thrown.keys()) {
        client.send({ publish: value, channel: "a" });
        assert.equal(await client.expectError("a"), "internal_error");
      }
    });

    for (const [what, value] of Object.entries({ undefined, "a function": () => 1, "a big integer": 1n })) {
      it(`answers ${what} ${how} with internal_error`, async () => {
        const { client } = await start({ onPublish: answer(isAsync, () => value as unknown as Storable) });
        client.send({ publish: 1, channel: "a" });
        assert.equal(await client.expectError("a"), "internal_error");
      });
    }

    it(`answers a value that is too large or too deep ${how}`, async () => {
      const { client } = await start(
        { onPublish: answer(isAsync, ({ value }) => (value === "deep" ? nest(65) : `${value as string}+`)) },
        { maxPayloadBytes: 100 },
      );
      client.send({ publish: "ä".repeat(48), channel: "a", id: "fits" });
      client.send({ publish: "ä".repeat(49), channel: "a" });
      client.send({ publish: "deep", channel: "a" });
      assert.equal((await client.nextObject())["ack"], "fits");
      assert.equal(await client.expectError("a"), "too_large");
      assert.equal(await client.expectError("a"), "too_deep");
    });
  }

  it("is called for the messages of a connection one after the other", async () => {
    const calls: PromiseWithResolvers<undefined>[] = [];
    const started: unknown[] = [];
    const { client, server } = await start({
      onPublish: async ({ value }) => {
        started.push(value);
        const call = Promise.withResolvers<undefined>();
        calls.push(call);
        await call.promise;
        return value;
      },
    });
    const other = await connectChannels(server.url);
    await other.subscribe("a");
    client.send({ publish: 1, channel: "a" });
    client.send({ publish: 2, channel: "a" });
    client.send({ publish: 3, channel: "b", id: "i3" });
    await client.flushed();
    assert.deepEqual(started, [1]);
    other.send({ publish: "other", channel: "a" });
    await other.flushed();
    assert.deepEqual(started, [1, "other"]);
    calls[1]?.resolve(undefined);
    await other.expect("a", 1, "other");
    calls[0]?.resolve(undefined);
    await other.expect("a", 2, 1);
    assert.deepEqual(started, [1, "other", 2]);
    calls[2]?.resolve(undefined);
    await other.expect("a", 3, 2);
    calls[3]?.resolve(undefined);
    assert.equal((await client.nextObject())["ack"], "i3");
  });

  it("keeps the order if it is asynchronous for some messages only", async () => {
    const { client } = await start({
      onPublish: ({ value }) => (Number(value) % 3 === 0 ? Promise.resolve(value) : value),
    });
    await client.subscribe("a");
    for (let n = 0; n < 100; n++) client.send({ publish: n, channel: "a" });
    for (let n = 0; n < 100; n++) await client.expect("a", n + 1, n);
  });

  for (const [how, end, stored] of [
    ["closed the connection", "close", [1, 2, "last"]],
    ["lost the connection", "terminate", [1, "last"]],
  ] as const) {
    it(`stores ${stored.length - 1} of 2 messages of a client that has ${how} during the first`, async () => {
      const call = Promise.withResolvers<undefined>();
      const ended = Promise.withResolvers<undefined>();
      const { client, server } = await start({
        onPublish: async ({ value }) => {
          await call.promise;
          return value;
        },
        onDisconnect: () => {
          ended.resolve(undefined);
        },
      });
      const reader = await connectChannels(server.url);
      await reader.subscribe("a");
      client.send({ publish: 1, channel: "a" });
      client.send({ publish: 2, channel: "a" });
      await client.flushed();
      client.webSocket[end]();
      await due(ended.promise, "the end");
      call.resolve(undefined);
      await reader.expect("a", 1, 1);
      if (end === "close") await reader.expect("a", 2, 2);
      reader.send({ publish: "last", channel: "a" });
      await reader.expect("a", stored.length, "last");
    });
  }

  it("is not called for messages that have waited for two deadlines", async () => {
    let calls = 0;
    const { client } = await start(
      {
        onPublish: ({ value }) => {
          calls += 1;
          return value === "good" ? value : new Promise<Storable>(() => undefined);
        },
      },
      { handlerTimeoutSeconds: 0.05 },
    );
    for (let n = 0; n < 50; n++) client.send({ publish: n, channel: "a" });
    for (let n = 0; n < 50; n++) assert.equal(await client.expectError("a"), "unavailable");
    assert.ok(calls >= 2 && calls <= 5, String(calls));
    client.send({ publish: "good", channel: "a", id: "i1" });
    assert.equal((await client.nextObject())["ack"], "i1");
  });

  it("is called for no message that the server then refuses because of others", async () => {
    const call = Promise.withResolvers<undefined>();
    const { log, server, client } = await startManualServer(UNLIMITED, {
      limits: { maxUnansweredBytes: 10 },
      handlers: {
        onPublish: async ({ value }) => {
          if (value === "slow") await call.promise;
          return value;
        },
      },
    });
    const other = await connectChannels(server.url);
    client.send({ publish: "slow", channel: "a", id: "i1" });
    await client.flushed();
    other.send({ publish: "x".repeat(20), channel: "a" });
    await waitUntil(() => log.appends.length === 1);
    const third = await connectChannels(server.url);
    third.send({ publish: "x", channel: "a" });
    assert.equal(await third.expectError("a"), "unavailable");
    call.resolve(undefined);
    await waitUntil(() => log.appends.length === 2);
    store(log, 1);
    assert.equal((await client.nextObject())["ack"], "i1");
  });

  it("has a deadline, after which its result is ignored", async () => {
    const call = Promise.withResolvers<string>();
    const { logger, lines } = recordLog();
    const { client } = await start(
      { onPublish: ({ value }) => (value === "slow" ? call.promise : value) },
      { handlerTimeoutSeconds: 0.05 },
      { logger },
    );
    await client.subscribe("a");
    client.send({ publish: "slow", channel: "a", id: "i1" });
    client.send({ publish: "next", channel: "a" });
    assert.equal(await client.expectError("a"), "unavailable");
    await client.expect("a", 1, "next");
    call.resolve("late");
    client.send({ publish: "last", channel: "a" });
    await client.expect("a", 2, "last");
    assert.match(JSON.stringify(lines), /No result within 0.05 seconds \(handlerTimeoutSeconds\)/);
  });

  it("stores a message with an id once, even if its value differs at a retry", async () => {
    let calls = 0;
    const { client } = await start({ onPublish: ({ value }) => ({ value, call: ++calls }) });
    assert.equal(await client.publish("a", "x", "i1"), 1);
    client.send({ publish: "x", channel: "a", id: "i1" });
    const { duplicate, offset } = await client.nextObject();
    assert.deepEqual([duplicate, offset, calls], [true, 1, 2]);
    client.send({ publish: "y", channel: "a", id: "i1" });
    assert.equal(await client.expectError("a"), "id_in_use");
  });

  it("is called when the subscribe before it has an answer", async () => {
    const { client } = await start({ onPublish: ({ value }) => value, onSubscribe: () => Promise.resolve() });
    client.send({ subscribe: "a" });
    client.send({ publish: 1, channel: "a" });
    assert.equal((await client.nextObject())["subscribed"], "a");
    await client.expect("a", 1, 1);
  });

  it("is called for messages by HTTP, in the order of their lines", async () => {
    const { client, server } = await start({
      onPublish: async ({ client: sender, value, id }) => {
        assert.equal(sender, undefined);
        if (value === "bad") throw new Rejection("not_nice", "Be nice.");
        // The first message takes more turns of the event loop than the second one.
        if (value === 1) await client.flushed();
        return { value, id: id ?? "none" };
      },
    });
    await client.subscribe("room.7");
    const url = messagesOf(server.origin);
    problemIn(await post(url, '"bad"'), { status: 422, code: "not_nice" });
    const lines = ['{"message":1,"id":"i1"}', '{"message":"bad"}', '{"message":2}'].join("\n");
    const { body } = await post(url, lines, { "Content-Type": "application/x-ndjson" });
    const answers = String(body).trim().split("\n");
    assert.equal(answers.length, 3);
    assert.match(answers[1] ?? "", /"code":"not_nice"/);
    await client.expect("room.7", 1, { value: 1, id: "i1" });
    await client.expect("room.7", 2, { value: 2, id: "none" });
    assert.equal((await post(url, "1", { "Idempotency-Key": "i1" })).status, 200);
  });

  it("is not called without the right to publish", async () => {
    let calls = 0;
    const { client } = await start({
      authorize: () => ({ subscribe: ["*"] }),
      onPublish: ({ value }) => {
        calls += 1;
        return value;
      },
    });
    client.send({ publish: 1, channel: "a" });
    assert.equal(await client.expectError("a"), "forbidden");
    assert.equal(calls, 0);
  });

  it("stops the reading from a client with too many messages", async () => {
    const call = Promise.withResolvers<undefined>();
    let calls = 0;
    const { client, server } = await start({
      onPublish: async ({ value }) => {
        calls += 1;
        await call.promise;
        return value;
      },
    });
    for (let n = 0; n < 1000; n++) client.send({ publish: n, channel: "a", id: String(n) });
    const probe = await connectChannels(server.url);
    await probe.flushed();
    assert.equal(calls, 1);
    assert.equal(server.metrics.counts.received, 256);
    call.resolve(undefined);
    for (let n = 0; n < 1000; n++) assert.equal((await client.nextObject())["offset"], n + 1);
  });
});

/** Starts a server with handlers, and connects a client. */
async function start(
  handlers: Handlers,
  settings: Partial<Settings> = {},
  options: ServerOptions = {},
): Promise<{ readonly server: TestServer; readonly client: ChannelsClient }> {
  const server = await startServer(
    { messageBurst: 10_000, messagesPerSecond: 10_000, ...settings },
    { ...options, handlers },
  );
  return { server, client: await connectChannels(server.url) };
}

/** A handler with the result of `handle`, now or later. */
function answer(
  isAsync: boolean,
  handle: (event: PublishEvent) => Storable,
): NonNullable<Handlers["onPublish"]> {
  return (event) => (isAsync ? Promise.resolve().then(() => handle(event)) : handle(event));
}

function event(channel: string, value: unknown, id?: string): object {
  return { client: undefined, user: undefined, channel, value, id };
}

function nest(depth: number): Storable {
  let value: Storable = 0;
  for (let n = 0; n < depth; n++) value = [value] as Storable;
  return value;
}
