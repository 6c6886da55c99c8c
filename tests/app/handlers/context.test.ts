/** What handlers can use, their routes, and their background work. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";

import { defineHandlers, Rejection } from "../../../app/src/handlers/index.ts";
import type { HandlerContext, Handlers, Storable } from "../../../app/src/handlers/index.ts";
import type { Settings } from "../../../app/src/settings/settings.ts";
import { waitUntil } from "../../support/waitUntil.ts";
import { messagesOf, post, problemIn, send } from "../http/api/apiClient.ts";
import type { Answer } from "../http/api/apiClient.ts";
import { connectChannels } from "../support/channelsClient.ts";
import { refusal } from "../support/client.ts";
import { recordLog } from "../support/logLines.ts";
import { startServer } from "../support/server.ts";
import type { ServerOptions, TestServer } from "../support/server.ts";
import { tearDown } from "../support/teardown.ts";

/** Starts a server, and returns the context of its handlers. */
async function start(
  settings: Partial<Settings> = {},
  options: ServerOptions = {},
): Promise<{ readonly server: TestServer; readonly context: HandlerContext }> {
  const started = Promise.withResolvers<HandlerContext>();
  const handlers: Handlers = {
    ...options.handlers,
    start: (context) => {
      started.resolve(context);
    },
  };
  const server = await startServer(settings, { ...options, handlers });
  return { server, context: await started.promise };
}

async function findFreePort(): Promise<number> {
  const probe = createServer();
  await once(probe.listen(0, "127.0.0.1"), "listening");
  const { port } = probe.address() as AddressInfo;
  await promisify(probe.close.bind(probe))();
  return port;
}

const rejectsWith = (code: string) => (error: unknown) => error instanceof Rejection && error.code === code;

describe("the context of handlers", () => {
  afterEach(tearDown);

  it("publishes without onPublish, once per id, and with a user", async () => {
    const onPublish = (): never => assert.fail("called");
    const { server, context } = await start({}, { handlers: { onPublish } });
    const client = await connectChannels(server.url);
    await client.subscribe("a");
    await client.subscribe("/");
    const first = await context.publish("a", { x: 1 }, { id: "i1", from: "robot" });
    assert.deepEqual(await context.publish("a", { x: 1 }, { id: "i1", from: "robot" }), first);
    await context.publish("/", [2]);
    const received = [await client.nextObject(), await client.nextObject()];
    assert.deepEqual(
      received.toSorted((a, b) => String(b["channel"]).localeCompare(String(a["channel"]))),
      [
        { channel: "a", offset: 1, message: { x: 1 }, from: "robot" },
        { channel: "/", offset: 1, message: [2] },
      ],
    );
    await assert.rejects(context.publish("a", 3, { id: "i1", from: "robot" }), rejectsWith("id_in_use"));
    assert.equal(server.metrics.counts.published, 2);
    assert.equal(server.metrics.counts.duplicates, 1);
  });

  it("reads the history", async () => {
    const { context } = await start();
    for (let n = 1; n <= 5; n++) await context.publish("a", n, n === 5 ? { from: "alice" } : {});
    const last = await context.history("a", { last: 2 });
    assert.deepEqual(last.messages, [
      { offset: 4, message: 4 },
      { offset: 5, message: 5, from: "alice" },
    ]);
    const { epoch } = last;
    const after = await context.history("a", { epoch, offset: 1, limit: 2 });
    assert.deepEqual(after, {
      epoch,
      messages: [
        { offset: 2, message: 2 },
        { offset: 3, message: 3 },
      ],
      more: true,
    });
    const other = await context.history("a", { epoch: "other", offset: 3 });
    assert.deepEqual([other.gap, other.messages.length], [{ epoch: "other", from: 4 }, 5]);
  });

  it("disconnects a user", async () => {
    const { server, context } = await start(
      {},
      { handlers: { authorize: ({ headers }) => ({ user: String(headers["x-user"]), subscribe: ["*"] }) } },
    );
    const [one, two, other] = await Promise.all(
      ["alice", "alice", "bob"].map((user) => connectChannels(server.url, { headers: { "x-user": user } })),
    );
    assert.ok(one !== undefined && two !== undefined && other !== undefined);
    assert.equal(context.disconnect("alice", { code: 4001, reason: "bye" }), 2);
    assert.deepEqual(await one.closed, { code: 4001, reason: "bye" });
    assert.deepEqual(await two.closed, { code: 4001, reason: "bye" });
    await other.subscribe("a");
    assert.equal(context.disconnect("carol"), 0);
  });

  it("checks its arguments", async () => {
    const { context } = await start({ maxPayloadBytes: 100 });
    const wrong: readonly (readonly [string, () => unknown])[] = [
      ["channel", () => context.publish("a b", 1)],
      ["value", () => context.publish("a", undefined as unknown as Storable)],
      ["value", () => context.publish("a", "x".repeat(99))],
      ["id", () => context.publish("a", 1, { id: "" })],
      ["from", () => context.publish("a", 1, { from: "x".repeat(257) })],
      ["last", () => context.history("a", { last: 1001 })],
      ["limit", () => context.history("a", { epoch: "e", offset: 1, limit: 0 })],
      ["epoch", () => context.history("a", { epoch: "x".repeat(129), offset: 1 })],
      ["offset", () => context.history("a", { epoch: "e", offset: -1 })],
      ["user", () => context.disconnect("")],
      ["code", () => context.disconnect("a", { code: 1001 })],
      ["reason", () => context.disconnect("a", { reason: "x".repeat(124) })],
    ];
    for (const [name, call] of wrong) {
      await assert.rejects(
        () => Promise.resolve().then(call),
        (error: unknown) => error instanceof TypeError && error.message.startsWith(`\`${name}\`: got `),
        name,
      );
    }
    await context.publish("a", "x".repeat(98));
  });

  it("has the environment, and a signal that is aborted when the drain begins", async () => {
    const { server, context } = await start({}, { environment: { TABLE: "rooms" } });
    assert.equal(context.environment["TABLE"], "rooms");
    assert.equal(context.signal.aborted, false);
    const drained = server.drain();
    assert.equal(context.signal.aborted, true);
    await drained;
  });
});

describe("the handler routes", () => {
  afterEach(tearDown);

  it("adds routes below /api", async () => {
    const { origin } = await startServer(
      { maxPayloadBytes: 100 },
      {
        handlers: {
          routes: (router, { publish }) => {
            router.post("/orders", async (request, response) => {
              response.status(201).json(await publish("orders", request.body as Storable));
            });
            router.get("/denied", () => {
              throw new Rejection("sold_out", "Nothing is left.");
            });
            router.get("/broken", () => {
              throw new Error("secret reason");
            });
          },
        },
      },
    );
    const created = await post(`${origin}/api/orders`, '{"n":1}');
    assert.equal(created.status, 201);
    assert.equal((created.body as { readonly offset: number }).offset, 1);
    assert.equal((await post(`${origin}/api/orders`, JSON.stringify("x".repeat(200)))).status, 413);
    problemIn(await send(`${origin}/api/denied`), { status: 422, code: "sold_out" });
    const broken = await send(`${origin}/api/broken`);
    assert.deepEqual([broken.status, broken.body], [500, "Internal Server Error"]);
    assert.equal((await send(`${origin}/api/none`)).status, 404);
    assert.equal((await send(`${origin}/orders`)).status, 404);
  });
});

describe("a route of the application", () => {
  afterEach(tearDown);

  it("can answer until the drain has ended", async () => {
    const entered = Promise.withResolvers<undefined>();
    const answered = Promise.withResolvers<undefined>();
    const calls: string[] = [];
    const server = await startServer(
      {},
      {
        handlers: {
          routes: (router) => {
            router.get("/slow", async (_request, response) => {
              entered.resolve(undefined);
              await answered.promise;
              calls.push("answered");
              response.json("slow");
            });
            router.get("/fast", (_request, response) => {
              response.json("fast");
            });
          },
        },
      },
    );
    const slow = send(`${server.origin}/api/slow`);
    await entered.promise;
    const drained = server.drain().then(() => calls.push("drained"));
    const fast = await send(`${server.origin}/api/fast`);
    assert.deepEqual([fast.body, fast.headers.get("connection")], ["fast", "close"]);
    answered.resolve(undefined);
    assert.equal((await slow).body, "slow");
    await drained;
    assert.deepEqual(calls, ["answered", "drained"]);
  });

  it("is called only for a body within the limits of the HTTP API", async () => {
    const bodies: unknown[] = [];
    const handlers: Handlers = {
      routes: (router) => {
        router.post("/bodies", (request, response) => {
          bodies.push(request.body);
          response.end();
        });
      },
    };
    const { origin } = await startServer({}, { handlers, limits: { maxHeldBytes: 1000 } });
    const url = `${origin}/api/bodies`;
    const gzip = { "Content-Encoding": "gzip" };
    problemIn(await post(url, gzipSync("[1]"), gzip), { status: 415, code: "unsupported_media_type" });
    const large = JSON.stringify(["x".repeat(1000)]);
    problemIn(await post(url, large), { status: 503, code: "unavailable" });
    problemIn(await post(url, "[".repeat(65) + "]".repeat(65)), { status: 400, code: "too_deep" });
    problemIn(await post(url, "[1"), { status: 400, code: "invalid_json" });
    problemIn(await post(url, "1"), { status: 400, code: "invalid_request" });
    assert.equal((await post(url, "[1]")).status, 200);
    assert.equal((await post(url, "")).status, 200);
    assert.equal((await post(url, "text", { "Content-Type": "text/plain" })).status, 200);
    assert.deepEqual(bodies, [[1], {}, undefined]);
  });

  it("is called only for pages of allowed origins", async () => {
    const allowedOrigins = ["https://good.example"];
    let calls = 0;
    const handlers: Handlers = {
      routes: (router) => {
        router.post("/count", (_request, response) => {
          response.json((calls += 1));
        });
      },
    };
    const { origin } = await startServer({ allowedOrigins }, { handlers });
    const url = `${origin}/api/count`;
    const refused = await post(url, "[]", { Origin: "https://evil.example" });
    problemIn(refused, { status: 403, code: "forbidden" });
    assert.equal((await post(url, "[]", { Origin: "https://good.example" })).body, 1);
    assert.equal((await post(url, "[]")).body, 2);
  });

  it("is not called before the handler start has succeeded", async () => {
    const before: Answer[] = [];
    const port = await findFreePort();
    let calls = 0;
    const { origin } = await startServer(
      { port },
      {
        handlers: {
          routes: (router) => {
            router.get("/count", (_request, response) => {
              response.json((calls += 1));
            });
          },
          start: async () => {
            before.push(await send(`http://127.0.0.1:${port}/api/count`));
          },
        },
      },
    );
    for (const answer of before) problemIn(answer, { status: 503, code: "unavailable" });
    assert.equal((await send(`${origin}/api/count`)).body, 1);
  });
});

describe("the handler start", () => {
  afterEach(tearDown);

  it("is undone after the drain, when the handlers of connections have ended", async () => {
    const calls: string[] = [];
    const undone = Promise.withResolvers<undefined>();
    const server = await startServer(
      {},
      {
        handlers: {
          start: ({ signal }) => {
            signal.addEventListener("abort", () => calls.push("abort"));
            return () => {
              calls.push("undo");
              return undone.promise;
            };
          },
          onDisconnect: async () => {
            // Several turns of the event loop.
            await send(server.origin);
            calls.push("disconnect");
          },
        },
      },
    );
    await connectChannels(server.url);
    const drained = server.drain().then(() => calls.push("drained"));
    assert.deepEqual(calls, ["abort"]);
    await waitUntil(() => calls.includes("undo"));
    await send(server.origin);
    assert.deepEqual(calls, ["abort", "disconnect", "undo"]);
    undone.resolve(undefined);
    await drained;
    assert.deepEqual(calls, ["abort", "disconnect", "undo", "drained"]);
  });

  it("has a deadline for its undo", async () => {
    const { logger, messages } = recordLog();
    const handlers: Handlers = { start: () => () => new Promise(() => undefined) };
    const server = await startServer({ handlerTimeoutSeconds: 0.05 }, { logger, handlers });
    await server.drain();
    assert.ok(messages().includes("the undo of a handler failed"));
  });

  it("prevents the start of the server if it fails", async () => {
    const start = (): never => {
      throw new Error("no database");
    };
    await assert.rejects(startServer({}, { handlers: { start } }), /no database/);
    const never: Handlers = { start: () => new Promise(() => undefined) };
    await assert.rejects(startServer({ handlerTimeoutSeconds: 0.05 }, { handlers: never }), /0\.05 seconds/);
  });

  it("is undone if it has succeeded too late", async () => {
    const calls: string[] = [];
    const started = Promise.withResolvers<() => unknown>();
    const handlers: Handlers = {
      start: ({ signal }) => {
        signal.addEventListener("abort", () => calls.push("abort"));
        return started.promise;
      },
    };
    await assert.rejects(startServer({ handlerTimeoutSeconds: 0.05 }, { handlers }), /0\.05 seconds/);
    assert.deepEqual(calls, ["abort"]);
    started.resolve(() => calls.push("undo"));
    await started.promise;
    await nextTurn();
    assert.deepEqual(calls, ["abort", "undo"]);
  });

  it("lets no client connect before it has ended", async () => {
    const before: unknown[] = [];
    const port = await findFreePort();
    const { origin } = await startServer(
      { port },
      {
        handlers: {
          start: async () => {
            before.push((await refusal(`ws://127.0.0.1:${port}/wss`)).status);
            before.push((await send(`http://127.0.0.1:${port}/health`)).body);
          },
        },
      },
    );
    assert.deepEqual(before, [503, "Starting"]);
    assert.equal((await send(`${origin}/health`)).body, "Ok");
  });
});

describe("the HTTP API before the handler start has ended", () => {
  afterEach(tearDown);

  it("calls no handler", async () => {
    let calls = 0;
    const before: Answer[] = [];
    const port = await findFreePort();
    const { origin } = await startServer(
      { port },
      {
        handlers: {
          authorize: () => {
            calls += 1;
            return undefined;
          },
          start: async () => {
            const url = messagesOf(`http://127.0.0.1:${port}`);
            before.push(await post(url, "1"), await send(url));
            before.push(await send(url, { headers: { accept: "text/event-stream" } }));
          },
        },
      },
    );
    assert.equal(before.length, 3);
    assert.equal(calls, 0);
    for (const answer of before) problemIn(answer, { status: 503, code: "unavailable" });
    assert.equal((await post(messagesOf(origin), "1")).status, 201);
  });
});

describe("an asynchronous onDisconnect", () => {
  afterEach(tearDown);

  it("can end before the drain has ended", async () => {
    let isOver = false;
    const server = await startServer(
      {},
      {
        handlers: {
          onDisconnect: async () => {
            // Several turns of the event loop.
            await send(server.origin);
            isOver = true;
          },
        },
      },
    );
    await connectChannels(server.url);
    await server.drain();
    assert.ok(isOver);
  });
});

describe("defineHandlers", () => {
  it("rejects an unknown member, and one that is no function", () => {
    assert.throws(
      () => defineHandlers({ onPublished: () => 1 } as unknown as Handlers),
      /`onPublished`: got/,
    );
    assert.throws(() => defineHandlers({ onPublish: 1 } as unknown as Handlers), /`onPublish`: got number/);
    const handlers = { onPublish: undefined } as unknown as Handlers;
    assert.equal(defineHandlers(handlers), handlers);
  });

  it("types what onPublish returns", () => {
    interface Message {
      readonly text: string;
    }
    const message: Message = { text: "x" };
    defineHandlers({ onPublish: () => message });
    defineHandlers({ onPublish: async () => Promise.resolve(message) });
    defineHandlers({ onPublish: ({ value }) => value });
    // @ts-expect-error Nothing is returned.
    defineHandlers({ onPublish: () => undefined });
    // @ts-expect-error Nothing is returned later.
    defineHandlers({ onPublish: async () => Promise.resolve(undefined) });
  });
});

describe("a Rejection", () => {
  it("has a code and a message of bounded length", () => {
    assert.equal(new Rejection("a".repeat(64), "é".repeat(512)).message.length, 512);
    for (const code of ["", "a".repeat(65), "Upper", "with space"]) {
      assert.throws(() => new Rejection(code, "x"), /`code`: got/);
    }
    assert.throws(() => new Rejection("code", `${"é".repeat(512)}x`), /`message`: got 1025 bytes/);
  });
});
