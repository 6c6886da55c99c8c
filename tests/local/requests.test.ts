/** HTTP and WebSocket through the emulated edge and load balancer. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { Agent, type RequestOptions } from "node:http";
import { connect as connectTcp } from "node:net";
import { text } from "node:stream/consumers";
import { atSuiteEnd } from "../support/atSuiteEnd.ts";
import { waitUntil } from "../support/waitUntil.ts";
import { ask, connect, hasIpv6, refusedUpgrade } from "./support/clients.ts";
import { SECRET, SECRET_HEADER, WITH_SECRET, wholePath } from "./support/graph.ts";
import { launch, running, type StackFixture } from "./support/stack.ts";

describe("requests through the local stack", () => {
  let fixture: StackFixture;
  let loadBalancer: string;
  let edge: string;
  let loadBalancerWebSocket: string;

  before(async function () {
    fixture = await running(wholePath());
    atSuiteEnd(this, () => fixture.stack.close());
    const { urls } = fixture;
    loadBalancer = urls.loadBalancer;
    edge = new URL("/", urls.page).href.slice(0, -1);
    loadBalancerWebSocket = `${loadBalancer.replace("http", "ws")}/chat`;
  });

  it("use the path of the stack's output, and the default root object", () => {
    assert.match(fixture.urls.websocket, /^wss:\/\/localhost:\d+\/chat$/);
    assert.match(fixture.urls.page, /^https:\/\/localhost:\d+\/start\.html$/);
  });

  it("that bypass the edge get the declared response", async () => {
    for (const headers of [{}, { [SECRET_HEADER]: "wrong" }]) {
      const reply = await ask(loadBalancer, { headers });
      assert.equal(reply.status, 403);
      assert.equal(reply.body, "go away");
      assert.equal(reply.headers["content-type"], "text/plain");
      assert.equal(await refusedUpgrade(loadBalancerWebSocket, headers), 403);
    }
  });

  it("with the secret header are forwarded with the headers of the load balancer", async () => {
    const reply = await ask(`${loadBalancer}/x?y=%20`, {
      headers: { ...WITH_SECRET, x_bad: "1", "X-Good": "2", Connection: "close, X-Mine", "X-Mine": "3" },
    });
    assert.equal(reply.status, 200);
    assert.equal(reply.headers["x-hop"], "kept");
    assert.equal(reply.headers["keep-alive"], undefined);
    const seen = JSON.parse(reply.body) as { url: string; greeting: string; headers: Record<string, string> };
    assert.equal(seen.url, "/x?y=%20");
    assert.equal(seen.greeting, "declared");
    assert.equal(seen.headers["x-good"], "2");
    assert.equal(seen.headers["x-mine"], undefined);
    assert.equal(seen.headers["x_bad"], undefined);
    assert.equal(seen.headers["x-forwarded-for"], "127.0.0.1");
    assert.equal(seen.headers["x-forwarded-port"], "8000");
    assert.equal(seen.headers["x-forwarded-proto"], "http");
  });

  it("through the edge have the secret and the headers of CloudFront", async () => {
    const reply = await ask(`${edge}/?q=1`, { headers: { [SECRET_HEADER]: "forged", Host: "app.example" } });
    assert.equal(reply.status, 200);
    assert.equal(reply.headers["x-cache"], "Miss from cloudfront");
    const seen = JSON.parse(reply.body) as { url: string; headers: Record<string, string> };
    assert.equal(seen.url, "/start.html?q=1");
    assert.equal(seen.headers[SECRET_HEADER.toLowerCase()], SECRET);
    assert.equal(seen.headers["host"], "app.example:8000");
    assert.match(seen.headers["x-amz-cf-id"] ?? "", /^[\w-]+$/);
    assert.match(seen.headers["x-amzn-trace-id"] ?? "", /^Root=1-[0-9a-f]{8}-[0-9a-f]{24}$/);
    assert.equal(seen.headers["via"], "1.1 edge.example (CloudFront)");
    assert.equal(seen.headers["x-forwarded-for"], "127.0.0.1, 127.0.0.1");
  });

  it("stream large bodies in both directions, with a length and in chunks", async () => {
    const body = "0123456789".repeat(200_000);
    for (const headers of [{ "Content-Length": String(body.length) }, { "Transfer-Encoding": "chunked" }]) {
      const reply = await ask(`${edge}/echo`, { method: "POST", headers }, body);
      assert.equal(reply.status, 200);
      assert.ok(reply.body === body);
    }
  });

  it("keep the framing of their bodies, whatever the method and the Connection header are", async () => {
    const smuggled = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
    for (const [url, method, extra, port] of [
      [loadBalancer, "GET", WITH_SECRET, 8000],
      [edge, "POST", {}, 8000],
    ] as const) {
      for (const framing of [
        { "Content-Length": String(smuggled.length), Connection: "content-length, host, close" },
        { "Transfer-Encoding": "chunked", Connection: "transfer-encoding, host, close" },
      ]) {
        const headers = { ...extra, ...framing, Host: "app.example" };
        assert.equal((await ask(`${url}/echo`, { method, headers }, smuggled)).body, smuggled);
        const seen = JSON.parse((await ask(`${url}/x`, { method, headers }, smuggled)).body) as {
          headers: Record<string, string>;
        };
        // The declared port is not a default one.
        assert.equal(seen.headers["host"], `app.example:${port}`);
        assert.equal(seen.headers["content-length"], headers["Content-Length" as keyof typeof headers]);
      }
    }
  });

  it("of the method GET have no body at the edge, and URLs have a limit", async () => {
    const withBody = await ask(`${edge}/echo`, { headers: { "Content-Length": "1" } }, "x");
    assert.equal(withBody.status, 403);
    assert.equal((await ask(`${edge}/${"x".repeat(8192)}`)).status, 413);
  });

  it("that the load balancer refuses, or cannot answer, get its own pages", async () => {
    const forwardedFor = Array.from({ length: 31 }, () => "10.0.0.1").join(", ");
    const cases: readonly (readonly [string, RequestOptions, number, string])[] = [
      [loadBalancer, { method: "TRACE" }, 405, "405 Not Allowed"],
      [`${loadBalancer}/${"x".repeat(17_000)}`, {}, 414, "414 Request-URI Too Large"],
      [loadBalancer, { headers: { "X-A": "x".repeat(17_000) } }, 400, "400 Bad Request"],
      [loadBalancer, { headers: { "X-Forwarded-For": forwardedFor } }, 463, "463"],
      [`${loadBalancer}/cut`, { headers: WITH_SECRET }, 502, "502 Bad Gateway"],
    ];
    for (const [url, options, status, title] of cases) {
      const reply = await ask(url, options);
      assert.equal(reply.status, status, title);
      assert.equal(reply.headers["server"], "awselb/2.0");
      assert.match(reply.body, new RegExp(`<center><h1>${title}</h1></center>`));
    }
  });

  it("of HTTP/1.0 need no host, unlike those of HTTP/1.1, and an expected 100 comes before the body", async () => {
    const secret = `${SECRET_HEADER}: ${SECRET}\r\n`;
    const exchange = async (sent: string): Promise<string> => {
      const client = connectTcp(Number(new URL(loadBalancer).port), "127.0.0.1");
      client.write(sent);
      return text(client);
    };
    const old = await exchange(`GET /x HTTP/1.0\r\n${secret}\r\n`);
    assert.match(old, /^HTTP\/1\.1 200 [^]*"host":"balancer\.internal\.example"/);
    const hostless = await exchange(`GET /x HTTP/1.1\r\nConnection: close\r\n${secret}\r\n`);
    assert.match(hostless, /^HTTP\/1\.1 400 [^]*Server: awselb/);
    const expecting = `Host: a\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 2\r\n`;
    const continued = await exchange(`POST /x HTTP/1.1\r\n${secret}${expecting}\r\nab`);
    assert.match(continued, /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 /);
    assert.doesNotMatch(continued, /"expect":/);
  });

  it("reach every address of localhost", async function () {
    if (!hasIpv6()) this.skip();
    const { page, loadBalancer } = fixture.urls;
    const atIpv6 = (url: string): string => url.replace("localhost", "[::1]");
    assert.equal((await ask(atIpv6(page))).status, 200);
    const reply = await ask(atIpv6(loadBalancer), { headers: WITH_SECRET });
    const seen = JSON.parse(reply.body) as { headers: Record<string, string> };
    assert.equal(seen.headers["x-forwarded-for"], "::1");
  });

  it("with HEAD get no body", async () => {
    const reply = await ask(`${edge}/x`, { method: "HEAD" });
    assert.equal(reply.status, 200);
    assert.equal(reply.body, "");
  });

  it("and upgrades over plain HTTP are refused at the edge", async () => {
    const plain = edge.replace("https", "http");
    const reply = await ask(`${plain}/x`);
    assert.equal(reply.status, 403);
    assert.equal(reply.headers["x-cache"], "Error from cloudfront");
    assert.equal(await refusedUpgrade(`${plain.replace("http", "ws")}/chat`), 403);
  });

  it("for an upgrade that the server refuses get the server's status", async () => {
    assert.equal(await refusedUpgrade(`${edge.replace("https", "wss")}/elsewhere`), 400);
  });

  it("for a WebSocket open one that carries messages of any size in both directions", async () => {
    using client = await connect(fixture.urls.websocket);
    for (const size of [0, 1, 125, 70_000, 2_000_000]) {
      const sent = Buffer.alloc(size, "x");
      client.socket.send(sent);
      const [received] = (await once(client.socket, "message")) as [Buffer];
      assert.ok(sent.equals(received));
    }
  });

  it("for a WebSocket count as open until it is closed", async () => {
    const open = (): number | undefined => fixture.stack.status()[0]?.open;
    const client = await connect(loadBalancerWebSocket, WITH_SECRET);
    assert.equal(open(), 1);
    client.socket.close();
    await once(client.socket, "close");
    // The load balancer counts the request until both of its sockets are closed.
    await waitUntil(() => open() === 0);
  });

  it("leave no secret in the events", () => {
    assert.ok(!JSON.stringify(fixture.events).includes(SECRET));
  });
});

describe("timeouts and policies of the local stack", () => {
  it("close a client's connection after one more request when its keepalive duration has passed", async () => {
    await using fixture = await running(wholePath({ loadBalancer: { clientKeepAlive: 0.3 } }));
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const connectionOf = async (): Promise<string | undefined> =>
      (await ask(fixture.urls.loadBalancer, { agent })).headers.connection;
    assert.equal(await connectionOf(), "keep-alive");
    await waitUntil(async () => (await connectionOf()) === "close");
    assert.equal(await connectionOf(), "keep-alive", "the next request uses a new connection");
    agent.destroy();
  });

  it("return 408 to a client that is silent within its request for the idle timeout", async () => {
    await using fixture = await running(wholePath({ loadBalancer: { idleTimeout: 0.2 } }));
    const client = connectTcp(Number(new URL(fixture.urls.loadBalancer).port), "127.0.0.1");
    client.write("GET / HTTP/1.1\r\nHost: here\r\n");
    assert.match(await text(client), /^HTTP\/1\.1 408 [^]*408 Request Time-out/);
    const headers = { ...WITH_SECRET, "Content-Length": "10", Connection: "close" };
    const incomplete = await ask(`${fixture.urls.loadBalancer}/hang`, { method: "POST", headers }, "1");
    assert.equal(incomplete.status, 408);
  });

  it("return 504 if the target sends nothing for the declared idle timeout", async () => {
    await using fixture = await running(wholePath({ loadBalancer: { idleTimeout: 0.2 } }));
    const reply = await ask(`${fixture.urls.loadBalancer}/hang`, { headers: WITH_SECRET });
    assert.equal(reply.status, 504);
  });

  it("return 504 at the edge after the declared read timeout", async () => {
    await using fixture = await running(wholePath({ originConfig: { originReadTimeout: 0.2 } }));
    const reply = await ask(new URL("/hang", fixture.urls.page).href);
    assert.equal(reply.status, 504);
    assert.equal(reply.headers["x-cache"], "Error from cloudfront");
  });

  it("close a WebSocket that is silent for the declared idle timeout", async () => {
    // Longer than an upgrade takes on a busy machine.
    await using fixture = await running(wholePath({ loadBalancer: { idleTimeout: 1 } }));
    using client = await connect(fixture.urls.websocket);
    const [code] = (await once(client.socket, "close")) as [number];
    assert.equal(code, 1006);
  });

  it("redirect plain HTTP if declared", async () => {
    const graph = wholePath({ behavior: { viewerProtocolPolicy: "redirect-to-https" } });
    await using fixture = await running(graph);
    const { page } = fixture.urls;
    const reply = await ask(page.replace("https", "http"), { headers: { Host: new URL(page).host } });
    assert.equal(reply.status, 301);
    assert.equal(reply.headers.location, page);
  });

  it("return 503 while no task is registered", async () => {
    await using fixture = await launch(wholePath({ environment: { MODE: "crash" } }));
    const reply = await ask(fixture.urls.loadBalancer, { headers: WITH_SECRET });
    assert.equal(reply.status, 503);
  });

  it("refuse an origin whose port no listener has", async () => {
    await assert.rejects(
      launch(wholePath({ originConfig: { httpPort: 81 } })),
      /no listener has port 81 of .*, the origin balancer/,
    );
  });
});
