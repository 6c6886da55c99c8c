/** The handlers of connections and subscriptions, and `authorize`. */
import assert from "node:assert/strict";

import { Rejection } from "../../../app/src/handlers/index.ts";
import type { AuthorizeRequest, Client, Handlers } from "../../../app/src/handlers/index.ts";
import { waitUntil } from "../../support/waitUntil.ts";
import { messagesOf, post, problemIn, send } from "../http/api/apiClient.ts";
import { connectChannels } from "../support/channelsClient.ts";
import { connect, refusal } from "../support/client.ts";
import { recordLog } from "../support/logLines.ts";
import { startServer } from "../support/server.ts";
import { tearDown } from "../support/teardown.ts";
import { authorizer, createKey, sign, startKeyServer } from "../support/tokens.ts";

/** Handlers that record their calls. */
function recording(): { readonly handlers: Handlers; readonly calls: string[]; readonly clients: Client[] } {
  const calls: string[] = [];
  const clients: Client[] = [];
  const handlers: Handlers = {
    onConnect: (client) => {
      clients.push(client);
      calls.push(`connect ${client.dialect}`);
    },
    onDisconnect: (client) => {
      assert.ok(clients.includes(client));
      calls.push("disconnect");
    },
    onSubscribe: ({ client, channel }) => {
      assert.ok(client === undefined || clients.includes(client));
      calls.push(`subscribe ${channel}`);
    },
    onUnsubscribe: ({ channel }) => {
      calls.push(`unsubscribe ${channel}`);
    },
  };
  return { handlers, calls, clients };
}

describe("the handlers of connections", () => {
  afterEach(tearDown);

  it("are called in order for channels.v1", async () => {
    const { handlers, calls, clients } = recording();
    const { url } = await startServer({}, { handlers });
    const client = await connectChannels(url);
    await client.subscribe("a");
    await client.subscribe("/");
    client.send({ unsubscribe: "a" });
    client.send({ unsubscribe: "a" });
    assert.deepEqual(await client.nextObject(), { unsubscribed: "a" });
    client.webSocket.terminate();
    await waitUntil(() => calls.includes("disconnect"));
    assert.deepEqual(calls, [
      "connect channels",
      "subscribe a",
      "subscribe /",
      "unsubscribe a",
      "unsubscribe /",
      "disconnect",
    ]);
    assert.deepEqual(
      clients.map(({ id, ...rest }) => ({ hasId: /^[0-9a-f]{8}-1$/.test(id), ...rest })),
      [{ hasId: true, user: undefined, address: "127.0.0.1", dialect: "channels", claims: {} }],
    );
  });

  it("are called in order in the plain dialect", async () => {
    const { handlers, calls } = recording();
    const { url } = await startServer({}, { handlers });
    const client = await connect(`${url}/room`);
    client.webSocket.terminate();
    await waitUntil(() => calls.includes("disconnect"));
    assert.deepEqual(calls, ["connect plain", "subscribe room", "unsubscribe room", "disconnect"]);
  });

  it("are called for a client that cannot join its channel, too", async () => {
    const { handlers, calls } = recording();
    const { url } = await startServer({ maxChannels: 1 }, { handlers });
    const client = await connectChannels(url);
    await client.subscribe("a");
    client.send({ subscribe: "b" });
    assert.equal(await client.expectError("b"), "too_many_channels");
    assert.equal((await refusal(`${url}/c`)).status, 503);
    assert.deepEqual(calls, [
      ...["connect channels", "subscribe a", "subscribe b", "unsubscribe b"],
      ...["connect plain", "subscribe c", "unsubscribe c", "disconnect"],
    ]);
  });

  it("do not affect a connection when they fail, and are logged with its id", async () => {
    const { logger, lines } = recordLog();
    const fail = (): never => {
      throw new Error("defect");
    };
    const { url } = await startServer(
      {},
      {
        logger,
        handlers: {
          onConnect: fail,
          onUnsubscribe: () => Promise.reject(new Error("late")),
          onDisconnect: fail,
        },
      },
    );
    const client = await connectChannels(url);
    await client.subscribe("a");
    client.webSocket.terminate();
    await waitUntil(() => lines.length === 3);
    assert.deepEqual(lines.map(({ handler }) => handler).sort(), [
      "onConnect",
      "onDisconnect",
      "onUnsubscribe",
    ]);
    for (const { connection } of lines) assert.match(String(connection), /^[0-9a-f]{8}-1$/);
  });
});

describe("the handler onSubscribe", () => {
  afterEach(tearDown);

  for (const isAsync of [false, true]) {
    const handlers: Handlers = {
      onSubscribe: ({ channel }) => {
        if (channel === "open") return undefined;
        const rejection = new Rejection("not_member", "Join first.");
        if (isAsync) return Promise.reject(rejection);
        throw rejection;
      },
    };
    const how = isAsync ? "later" : "at once";

    it(`refuses a subscription ${how}`, async () => {
      const { url, subscriptions } = await startServer({}, { handlers });
      const client = await connectChannels(url);
      client.send({ subscribe: "closed" });
      assert.deepEqual(await client.nextObject(), {
        error: { code: "not_member", message: "Join first.", channel: "closed" },
      });
      await client.subscribe("open");
      assert.equal(subscriptions(), 1);
    });

    it(`refuses a client of the plain dialect ${how}`, async () => {
      const { url } = await startServer({}, { handlers });
      assert.equal((await refusal(`${url}/closed`)).status, 403);
      await connect(`${url}/open`);
    });

    it(`refuses to read by HTTP ${how}`, async () => {
      const { origin } = await startServer({}, { handlers });
      for (const accept of ["application/json", "text/event-stream"]) {
        const headers = { accept };
        problemIn(await send(messagesOf(origin, "closed"), { headers }), { status: 422, code: "not_member" });
      }
      assert.equal((await send(messagesOf(origin, "open"))).status, 200);
    });
  }

  it("is answered with unavailable after its deadline", async () => {
    const { url } = await startServer(
      { handlerTimeoutSeconds: 0.05 },
      { handlers: { onSubscribe: () => new Promise(() => undefined) } },
    );
    const client = await connectChannels(url);
    client.send({ subscribe: "a" });
    assert.equal(await client.expectError("a"), "unavailable");
  });

  it("is followed by onUnsubscribe if the client has left meanwhile", async () => {
    const allowed = Promise.withResolvers<undefined>();
    const { handlers, calls } = recording();
    const { url } = await startServer({}, { handlers: { ...handlers, onSubscribe: () => allowed.promise } });
    const client = await connectChannels(url);
    client.send({ subscribe: "a" });
    client.send({ unsubscribe: "a" });
    assert.deepEqual(await client.nextObject(), { unsubscribed: "a" });
    assert.deepEqual(calls, ["connect channels"]);
    allowed.resolve(undefined);
    await waitUntil(() => calls.length === 2);
    assert.deepEqual(calls, ["connect channels", "unsubscribe a"]);
  });
});

describe("the handler authorize", () => {
  afterEach(tearDown);

  it("replaces the rights and the user of a token", async () => {
    const key = await createKey("one");
    const { url: jwksUrl } = await startKeyServer(key);
    const requests: AuthorizeRequest[] = [];
    const clients: Client[] = [];
    const { url } = await startServer(
      {},
      {
        authorize: authorizer(jwksUrl),
        handlers: {
          authorize: (request) => {
            requests.push(request);
            return {
              user: `team ${String(request.token?.["team"])}`,
              subscribe: ["news"],
              publish: ["chat*"],
            };
          },
          onConnect: (client) => void clients.push(client),
        },
      },
    );
    const token = await sign(key, { sub: "alice", team: 7 });
    const client = await connectChannels(`${url}?a=b`, { headers: { Authorization: `Bearer ${token}` } });
    await client.subscribe("news");
    client.send({ publish: 1, channel: "news" });
    assert.equal(await client.expectError("news"), "forbidden");
    client.send({ subscribe: "chat" });
    assert.equal(await client.expectError("chat"), "forbidden");
    await client.publish("chat.1", 1, "i1");
    assert.equal(requests[0]?.url, "/wss?a=b");
    assert.equal(requests[0].address, "127.0.0.1");
    assert.equal(requests[0].headers.host, new URL(url).host);
    assert.equal(clients[0]?.user, "team 7");
    assert.equal(clients[0].claims["team"], 7);
    // The token is checked before.
    assert.equal((await refusal(url)).status, 401);
    assert.equal(requests.length, 1);
  });

  it("keeps the rights of the token if it returns nothing", async () => {
    const key = await createKey("one");
    const { url: jwksUrl } = await startKeyServer(key);
    const { url } = await startServer(
      {},
      { authorize: authorizer(jwksUrl), handlers: { authorize: () => undefined } },
    );
    const headers = { Authorization: `Bearer ${await sign(key, { channels: "a" })}` };
    const client = await connectChannels(url, { headers });
    await client.subscribe("a");
    client.send({ subscribe: "b" });
    assert.equal(await client.expectError("b"), "forbidden");
  });

  for (const [what, authorize, status] of [
    ["a Rejection", () => Promise.reject(new Rejection("banned", "Go away.")), 403],
    ["a Rejection with unauthorized", () => Promise.reject(new Rejection("unauthorized", "Log in.")), 401],
    [
      "an expiry in the past",
      () => ({ subscribe: ["*"], publish: ["*"], expiresAt: Date.now() - 6_000 }),
      401,
    ],
    ["an exception", () => Promise.reject(new Error("defect")), 503],
    ["no answer", () => new Promise(() => undefined), 503],
    ["a user that is too long", () => ({ user: "x".repeat(257) }), 503],
    ["a wrong pattern", () => ({ subscribe: ["a*b"] }), 503],
    ["a wrong time", () => ({ expiresAt: Number.NaN }), 503],
  ] as const) {
    it(`answers ${what} with ${status}`, async () => {
      const { url, origin } = await startServer(
        { handlerTimeoutSeconds: 0.05 },
        { handlers: { authorize: authorize as NonNullable<Handlers["authorize"]> } },
      );
      assert.equal((await refusal(url)).status, status);
      assert.equal((await refusal(`${url}/room`)).status, status);
      assert.equal((await post(messagesOf(origin), "1")).status, status);
    });
  }

  for (const [isLogged, settings, handlers] of [
    [true, {}, { authorize: () => undefined }],
    [false, { allowedOrigins: ["https://good.example"] }, { authorize: () => undefined }],
    [false, {}, { onConnect: () => undefined }],
  ] as const) {
    const members = [...Object.keys(settings), ...Object.keys(handlers)].join(" and ");
    it(`${isLogged ? "is" : "is not"} logged as open to every origin, with ${members}`, async () => {
      const { logger, messages } = recordLog();
      await startServer(settings, { logger, handlers });
      assert.equal(
        messages().some((message) => String(message).includes("allowedOrigins")),
        isLogged,
      );
    });
  }

  it("ends the connection when its expiry has come", async () => {
    const { url } = await startServer(
      {},
      { handlers: { authorize: () => ({ subscribe: ["*"], expiresAt: Date.now() - 4_900 }) } },
    );
    const client = await connectChannels(url);
    assert.equal((await client.closed).code, 1008);
  });
});
