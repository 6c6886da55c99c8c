/** Every edge but the one of stack.test.ts, from hand-made graphs: sockets, processes, and nothing in between. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { connect as connectTcp, createServer as createTcpServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { connect as connectTls } from "node:tls";
import { localCertificate } from "../../local/runtime/network/certificate.ts";
import { startEdge } from "../../local/runtime/edge.ts";
import { readDistributions } from "../../local/model/edge/distribution.ts";
import { atSuiteEnd } from "../support/atSuiteEnd.ts";
import { ask, connect, refusedUpgrade } from "./support/clients.ts";
import {
  API_GATEWAY_HOST,
  apiGatewayAlone,
  apiGatewayBeside,
  apiGatewayResources,
  DECLARED_PORTS,
  loadBalancerEdge,
  privateOrigin,
  tlsToNamedOrigin,
  tlsToOrigin,
} from "./support/edges.ts";
import { graphOf, resource, SECRET, SECRET_HEADER, wholePath } from "./support/graph.ts";
import { FIXTURE_OPTIONS, launch, running, type StackFixture } from "./support/stack.ts";
import { askThrough, startForeignServer } from "./support/webSocketServer.ts";

interface Seen {
  readonly url: string;
  readonly headers: Record<string, string>;
}

function portOf(url: string): number {
  return Number(new URL(url).port);
}

/** Ports that were free a moment ago, each another one. */
async function freePorts(count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createTcpServer().listen(0, "127.0.0.1"));
  const ports: number[] = [];
  for (const server of servers) {
    if (!server.listening) await once(server, "listening");
    const address = server.address();
    assert.ok(typeof address === "object" && address !== null);
    ports.push(address.port);
  }
  for (const server of servers) await once(server.close(), "close");
  return ports;
}

async function freePort(): Promise<number> {
  const [port = NaN] = await freePorts(1);
  return port;
}

describe("local edge: the load balancer", () => {
  let fixture: StackFixture;
  let edge: string;

  before(async function () {
    fixture = await running(loadBalancerEdge());
    atSuiteEnd(this, () => fixture.stack.close());
    edge = new URL("/", fixture.urls.page).href.slice(0, -1);
  });

  it("has one address for TLS and one for plain HTTP, and nothing behind them", () => {
    const { websocket, page, plainHttp, loadBalancer } = fixture.urls;
    assert.match(websocket, /^wss:\/\/localhost:\d+\/chat$/);
    assert.equal(page, `https://localhost:${portOf(websocket)}/index.html`);
    assert.match(plainHttp, /^http:\/\/localhost:\d+$/);
    assert.notEqual(portOf(plainHttp), portOf(websocket));
    assert.equal(loadBalancer, "");
  });

  it("ends TLS itself, and says so to the task", async () => {
    const reply = await ask(`${edge}/x?y=1`, { headers: { Host: "ws.example.com" } });
    assert.equal(reply.headers["x-cache"], undefined);
    const seen = JSON.parse(reply.body) as Seen;
    assert.equal(seen.url, "/x?y=1");
    assert.equal(seen.headers["host"], "ws.example.com");
    assert.equal(seen.headers["via"], undefined);
    assert.equal(seen.headers["x-forwarded-for"], "127.0.0.1");
    assert.equal(seen.headers["x-forwarded-proto"], "https");
    assert.equal(seen.headers["x-forwarded-port"], String(DECLARED_PORTS.https));
  });

  it("carries a WebSocket, bytes both ways, of any size", async () => {
    using client = await connect(fixture.urls.websocket);
    for (const size of [0, 125, 2_000_000]) {
      const sent = Buffer.alloc(size, "x");
      client.socket.send(sent);
      const [received] = (await once(client.socket, "message")) as [Buffer];
      assert.ok(sent.equals(received));
    }
  });

  it("redirects plain HTTP to the port that stands for the declared one: same host, path and query", async () => {
    const { plainHttp, websocket } = fixture.urls;
    const reply = await ask(`${plainHttp}/a/b?c=%20d`, { headers: { Host: "ws.example.com:80" } });
    assert.equal(reply.status, 301);
    assert.equal(reply.headers.location, `https://ws.example.com:${portOf(websocket)}/a/b?c=%20d`);
    assert.equal(await refusedUpgrade(`${plainHttp.replace("http", "ws")}/chat`), 301);
    assert.equal((await ask(new URL((await ask(plainHttp)).headers.location ?? "").href)).status, 200);
  });

  it("answers 400 to plain HTTP at its port for TLS", async () => {
    assert.equal((await ask(edge.replace("https", "http"))).status, 400);
    assert.equal(await refusedUpgrade(fixture.urls.websocket.replace("wss", "ws")), 400);
  });

  it("has a certificate for the names of this machine", async () => {
    const { cert } = await localCertificate(FIXTURE_OPTIONS.cacheDirectory);
    const socket = connectTls({ port: portOf(edge), host: "127.0.0.1", ca: cert, servername: "localhost" });
    await once(socket, "secureConnect");
    assert.ok(socket.authorized);
    socket.destroy();
  });

  it("says what stands for what", async () => {
    const { path: parts } = await fixture.next("declared");
    assert.deepEqual(
      parts.slice(0, 3).map(({ part, text }) => `${part}: ${text}`),
      [
        "name: ws.example.com, here localhost",
        "load balancer: port 4430 with TLS, forward, idle 40 s",
        "load balancer: port 8000, 301 to port 4430, here to what stands for it, idle 40 s",
      ],
    );
  });

  it("takes the port of the edge, and the other listener that of the load balancer", async () => {
    const [edgePort = NaN, loadBalancerPort = NaN] = await freePorts(2);
    const ports = { edgePort, loadBalancerPort };
    await using other = await launch(loadBalancerEdge(), ports);
    assert.equal(portOf(other.urls.websocket), ports.edgePort);
    assert.equal(portOf(other.urls.plainHttp), ports.loadBalancerPort);
  });

  it("closes its clients with 1001 at the end", async () => {
    const other = await running(loadBalancerEdge());
    using client = await connect(other.urls.websocket);
    const closed = once(client.socket, "close") as Promise<[number]>;
    await other.stack.close();
    assert.equal((await closed)[0], 1001);
  });

  it("is refused where no listener ends TLS", async () => {
    const { resources, ...graph } = loadBalancerEdge();
    const without = resources.filter(({ name }) => name !== "https");
    await assert.rejects(
      launch({ ...graph, resources: without }),
      /service has no edge: neither a distribution/,
    );
  });
});

describe("local edge: a private origin", () => {
  it("reaches the load balancer, which nobody else does", async () => {
    const loadBalancerPort = await freePort();
    await using fixture = await running(privateOrigin(), { loadBalancerPort });
    const reply = await ask(new URL("/x", fixture.urls.page).href);
    assert.equal(reply.headers["x-cache"], "Miss from cloudfront");
    const { headers } = JSON.parse(reply.body) as Seen;
    assert.equal(headers[SECRET_HEADER.toLowerCase()], SECRET);
    assert.equal(headers["x-forwarded-for"], "127.0.0.1, 127.0.0.1");
    using client = await connect(fixture.urls.websocket);
    client.socket.send("through");
    await once(client.socket, "message");

    assert.equal(fixture.urls.loadBalancer, "");
    const direct = connectTcp(loadBalancerPort, "127.0.0.1");
    const [error] = (await once(direct, "error")) as [NodeJS.ErrnoException];
    assert.equal(error.code, "ECONNREFUSED");
    const { path: parts } = await fixture.next("declared");
    assert.match(
      parts.find(({ part }) => part === "load balancer")?.text ?? "",
      /private: only the edge reaches it, and here it has no port$/,
    );
  });

  it("carries TLS on to it where declared", async () => {
    const { https } = DECLARED_PORTS;
    const { resources, ...graph } = privateOrigin({ listener: { protocol: "HTTPS", port: https } });
    const secured = resources.map((declared) => {
      if (declared.name !== "way") return declared;
      const endpoint = declared.inputs["vpcOriginEndpointConfig"] as object; // As made just before.
      const vpcOriginEndpointConfig = { ...endpoint, originProtocolPolicy: "https-only" };
      return { ...declared, inputs: { vpcOriginEndpointConfig } };
    });
    await using fixture = await running({ ...graph, resources: secured });
    using client = await connect(fixture.urls.websocket);
    assert.ok(client.pid > 0);
  });

  it("ends in order, and leaves no socket behind", async () => {
    const { TMPDIR } = process.env;
    const folder = await mkdtemp(path.join(tmpdir(), "sockets-"));
    process.env["TMPDIR"] = folder;
    try {
      const fixture = await running(privateOrigin());
      assert.equal((await readdir(folder)).length, 1);
      using client = await connect(fixture.urls.websocket);
      const closed = once(client.socket, "close") as Promise<[number]>;
      await fixture.stack.close();
      assert.equal((await closed)[0], 1001);
      assert.deepEqual(await readdir(folder), []);
    } finally {
      if (TMPDIR === undefined) delete process.env["TMPDIR"];
      else process.env["TMPDIR"] = TMPDIR;
      await rm(folder, { recursive: true });
    }
  });
});

describe("local edge: TLS to the origin", () => {
  for (const [name, graph] of [
    ["its own name", tlsToOrigin],
    ["the name of its certificate", tlsToNamedOrigin],
  ] as const) {
    it(`reaches the load balancer by ${name}`, async () => {
      await using fixture = await running(graph());
      const reply = await ask(new URL("/x", fixture.urls.page).href);
      const { headers } = JSON.parse(reply.body) as Seen;
      assert.equal(headers["x-forwarded-proto"], "https");
      assert.match(fixture.urls.loadBalancer, /^https:/);
      assert.equal((await ask(fixture.urls.loadBalancer)).status, 403);
      using client = await connect(fixture.urls.websocket);
      assert.ok(client.pid > 0);
    });
  }

  describe("with another server at its place", () => {
    let folder: string;

    before(async () => {
      folder = await mkdtemp(path.join(tmpdir(), "certificate-"));
    });

    after(() => rm(folder, { recursive: true }));

    for (const [who, serve] of [
      ["one with another certificate", async () => createTlsServer(await localCertificate(folder))],
      ["one without TLS", () => Promise.resolve(createServer())],
    ] as const) {
      it(`answers 502 for ${who}`, async () => {
        const impostor: Server = await serve();
        impostor.on("request", () => assert.fail("It must not be asked."));
        await once(impostor.listen(0, "127.0.0.1"), "listening");
        const address = impostor.address();
        assert.ok(typeof address === "object" && address !== null);
        const [distribution] = readDistributions(tlsToOrigin());
        assert.ok(distribution);
        const certificate = await localCertificate(FIXTURE_OPTIONS.cacheDirectory);
        const upstream = {
          address: { host: "127.0.0.1", port: address.port },
          tls: { ca: certificate.cert, servername: "localhost" },
        };
        const edge = await startEdge({
          distribution,
          origins: new Map([["balancer", upstream]]),
          certificate,
          door: { name: "edge", port: 0, option: "--edge-port" },
          flushMs: 0,
        });
        const reply = await ask(`https://localhost:${edge.address.port}/x`);
        assert.equal(reply.status, 502);
        assert.equal(reply.headers["x-cache"], "Error from cloudfront");
        await edge.close();
        impostor.close();
      });
    }
  });
});

describe("local edge: an API Gateway", () => {
  const BROWSERS = {
    Origin: "https://app.example.com",
    Cookie: "session=1",
    "User-Agent": "a browser",
    "X-Mine": "1",
  };

  function originAt(port: number, scheme = "ws"): URL {
    return new URL(`${scheme}://127.0.0.1:${port}/prod`);
  }

  it("is told what its policy lists, and nothing else of the viewer's", async () => {
    await using server = await startForeignServer();
    await using fixture = await running(apiGatewayAlone(), { apiGatewayOrigin: originAt(server.port) });
    assert.match(fixture.urls.websocket, /^wss:\/\/localhost:\d+\/$/);
    const { asked, echo } = await askThrough(`${fixture.urls.websocket}?token=1`, BROWSERS, "hello");
    assert.equal(echo, "hello");
    assert.equal(asked.url, "/prod/");
    const {
      "sec-websocket-key": key,
      "sec-websocket-version": version,
      "sec-websocket-protocol": protocol,
      "sec-websocket-extensions": extensions,
      ...others
    } = asked.headers;
    assert.ok(key !== undefined && extensions !== undefined);
    assert.deepEqual([version, protocol], ["13", "chat.v1"]);
    assert.deepEqual(others, {
      host: API_GATEWAY_HOST,
      connection: "Upgrade",
      upgrade: "websocket",
      "user-agent": "Amazon CloudFront",
      "x-forwarded-for": "127.0.0.1",
      via: "1.1 api-edge.example (CloudFront)",
    });
  });

  it("is told the query strings that are asked for", async () => {
    await using server = await startForeignServer();
    const graph = graphOf(
      apiGatewayResources({ queryStringBehavior: "whitelist", queryStrings: { items: ["token"] } }),
    );
    await using fixture = await running(graph, { apiGatewayOrigin: originAt(server.port) });
    const { asked } = await askThrough(`${fixture.urls.websocket}?a=1&token=t%3D&token=u&Token=v`, {}, "");
    assert.equal(asked.url, "/prod/?token=t%3D&token=u");
    const { path } = await fixture.next("declared");
    assert.match(
      path.find(({ part }) => part === "is told")?.text ?? "",
      /^the headers Sec-WebSocket-Key .*, no cookies, the query strings token$/,
    );
  });

  it("may have TLS, and a certificate of its own", async () => {
    await using server = await startForeignServer(await localCertificate(FIXTURE_OPTIONS.cacheDirectory));
    const apiGatewayOrigin = originAt(server.port, "wss");
    await using fixture = await running(apiGatewayAlone(), { apiGatewayOrigin });
    assert.equal((await askThrough(fixture.urls.websocket, {}, "x")).echo, "x");
  });

  it("has an edge for TLS only, as declared", async () => {
    await using server = await startForeignServer();
    await using fixture = await running(apiGatewayAlone(), { apiGatewayOrigin: originAt(server.port) });
    assert.equal(await refusedUpgrade(fixture.urls.websocket.replace("wss", "ws")), 403);
  });

  it("has no task and no page where it is alone, and ends in order", async () => {
    await using server = await startForeignServer();
    const fixture = await running(apiGatewayAlone(), { apiGatewayOrigin: originAt(server.port) });
    assert.deepEqual(fixture.stack.status(), []);
    assert.deepEqual([fixture.urls.page, fixture.urls.loadBalancer, fixture.urls.apiGateway], ["", "", ""]);
    await fixture.stack.close();
    assert.deepEqual(
      fixture.events.map(({ event }) => event),
      ["declared", "ready", "stopping", "stopped"],
    );
  });

  it("has an edge of its own beside the service's", async () => {
    await using server = await startForeignServer();
    await using fixture = await running(apiGatewayBeside(), { apiGatewayOrigin: originAt(server.port) });
    using client = await connect(fixture.urls.websocket);
    assert.ok(client.pid > 0);
    assert.notEqual(portOf(fixture.urls.apiGateway), portOf(fixture.urls.websocket));
    assert.equal((await askThrough(fixture.urls.apiGateway, {}, "x")).echo, "x");
  });

  it("is named as not played beside the service, in one sentence that says how to give one", async () => {
    await using fixture = await running(apiGatewayBeside());
    const { names, reason } = await fixture.next("not-played");
    assert.deepEqual(names, ["api"]);
    assert.match(reason, /no API Gateway: give .* --api-gateway-origin ws:\/\/127\.0\.0\.1:PORT\/STAGE$/);
    assert.equal(fixture.urls.apiGateway, "");
    const { counts } = await fixture.next("declared");
    assert.equal(counts["not-played"], 1);
  });

  it("is asked for where there is nothing else to play", async () => {
    await assert.rejects(
      launch(apiGatewayAlone()),
      /^Error: Stack test cannot be played: .* --api-gateway-origin ws:/,
    );
  });

  it("is refused where the stack has none", async () => {
    await assert.rejects(
      launch(wholePath(), { apiGatewayOrigin: originAt(1) }),
      /--api-gateway-origin is given, and stack test has no distribution in front of an API Gateway/,
    );
  });

  it("answers 502 where nobody listens", async () => {
    await using fixture = await running(apiGatewayAlone(), { apiGatewayOrigin: originAt(await freePort()) });
    assert.equal(await refusedUpgrade(fixture.urls.websocket), 502);
  });
});

describe("local edge: a domain", () => {
  it("is localhost here, which one line says for all of its resources", async () => {
    const { resources, ...graph } = wholePath({ distribution: { aliases: ["ws.example.com"] } });
    await using fixture = await launch({
      ...graph,
      resources: [
        ...resources,
        resource("aws:acm/certificate:Certificate", "domain", {}),
        resource("aws:route53/record:Record", "domain-proof", {}),
        resource("aws:acm/certificateValidation:CertificateValidation", "domain", {}),
        resource("aws:route53/record:Record", "domain-A", {}),
      ],
      outputs: { websocketUrl: "wss://ws.example.com/chat" },
    });
    const gaps = fixture.events.filter(({ event }) => event === "not-played");
    assert.deepEqual(gaps, [
      {
        event: "not-played",
        types: [
          "aws:acm/certificate:Certificate",
          "aws:route53/record:Record",
          "aws:acm/certificateValidation:CertificateValidation",
        ],
        names: ["domain", "domain-proof", "domain-A"],
        reason: "the stack's own names are localhost here, with a certificate that this machine made",
      },
    ]);
    const { path: parts } = await fixture.next("declared");
    assert.deepEqual(parts[0], { part: "name", text: "ws.example.com, here localhost" });
    assert.match(fixture.urls.websocket, /^wss:\/\/localhost:\d+\/chat$/);
  });
});

describe("local edge: an origin that nobody knows", () => {
  it("is refused", async () => {
    const { resources, ...graph } = wholePath();
    const renamed = resources.map((declared) =>
      declared.name === "balancer"
        ? { ...declared, outputs: { ...declared.outputs, dnsName: "another.example" } }
        : declared,
    );
    await assert.rejects(
      launch({ ...graph, resources: renamed }),
      /domainName is neither a declared load balancer's nor an API Gateway's/,
    );
  });
});
