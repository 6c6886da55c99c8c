import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as connectTls } from "node:tls";
import type { DeclaredResource } from "../../../infra/evaluation/graph.ts";
import { localCertificate } from "../../../local/runtime/network/certificate.ts";
import { atSuiteEnd } from "../../support/atSuiteEnd.ts";
import { ask, connect, refusedUpgrade } from "../support/clients.ts";
import { DECLARED_PORTS, loadBalancerEdge } from "../support/edges.ts";
import { rule } from "../support/graph.ts";
import { freePorts, portOf } from "../support/ports.ts";
import { FIXTURE_OPTIONS, launch, running, type StackFixture } from "../support/stack.ts";

/** What the fixture server returns. */
interface ServerReport {
  readonly url: string;
  readonly headers: Record<string, string>;
}

describe("a load balancer that is the edge", () => {
  let fixture: StackFixture;
  let edge: string;

  before(async function () {
    fixture = await running(loadBalancerEdge());
    atSuiteEnd(this, () => fixture.stack.close());
    edge = new URL("/", fixture.urls.page).href.slice(0, -1);
  });

  it("has one URL for TLS and one for plain HTTP", () => {
    const { websocket, page, plainHttp, loadBalancer } = fixture.urls;
    assert.match(websocket, /^wss:\/\/localhost:\d+\/chat$/);
    assert.equal(page, `https://localhost:${portOf(websocket)}/index.html`);
    assert.match(plainHttp, /^http:\/\/localhost:\d+$/);
    assert.notEqual(portOf(plainHttp), portOf(websocket));
    assert.equal(loadBalancer, "");
  });

  it("terminates TLS, and forwards the protocol to the task", async () => {
    const reply = await ask(`${edge}/x?y=1`, { headers: { Host: "ws.example.com" } });
    assert.equal(reply.headers["x-cache"], undefined);
    const seen = JSON.parse(reply.body) as ServerReport;
    assert.equal(seen.url, "/x?y=1");
    assert.equal(seen.headers["host"], `ws.example.com:${DECLARED_PORTS.https}`);
    assert.equal(seen.headers["via"], undefined);
    assert.equal(seen.headers["x-forwarded-for"], "127.0.0.1");
    assert.equal(seen.headers["x-forwarded-proto"], "https");
    assert.equal(seen.headers["x-forwarded-port"], String(DECLARED_PORTS.https));
  });

  it("redirects plain HTTP to the local port of the declared one, with the same host, path and query", async () => {
    const { plainHttp, websocket } = fixture.urls;
    const reply = await ask(`${plainHttp}/a/b?c=%20d`, { headers: { Host: "ws.example.com:80" } });
    assert.equal(reply.status, 301);
    assert.equal(reply.headers.location, `https://ws.example.com:${portOf(websocket)}/a/b?c=%20d`);
    assert.equal(await refusedUpgrade(`${plainHttp.replace("http", "ws")}/chat`), 301);
    assert.equal((await ask(new URL((await ask(plainHttp)).headers.location ?? "").href)).status, 200);
  });

  it("returns 400 for plain HTTP at its port for TLS", async () => {
    assert.equal((await ask(edge.replace("https", "http"))).status, 400);
    assert.equal(await refusedUpgrade(fixture.urls.websocket.replace("wss", "ws")), 400);
  });

  it("has a certificate for localhost", async () => {
    const { cert } = await localCertificate(FIXTURE_OPTIONS.cacheDirectory);
    const socket = connectTls({ port: portOf(edge), host: "127.0.0.1", ca: cert, servername: "localhost" });
    await once(socket, "secureConnect");
    assert.ok(socket.authorized);
    socket.destroy();
  });

  it("is described with its listeners in the summary", async () => {
    const { path: parts } = await fixture.next("declared");
    assert.deepEqual(
      parts.slice(0, 3).map(({ part, text }) => `${part}: ${text}`),
      [
        "domain: ws.example.com, emulated by localhost",
        "load balancer: port 4430 with TLS, forward, idle 40 s",
        "load balancer: port 8000, 301 to the local port for 4430, idle 40 s",
      ],
    );
  });

  it("has the port of the edge, and its other listener that of the load balancer", async () => {
    const [edgePort = NaN, loadBalancerPort = NaN] = await freePorts(2);
    const ports = { edgePort, loadBalancerPort };
    await using other = await launch(loadBalancerEdge(), ports);
    assert.equal(portOf(other.urls.websocket), ports.edgePort);
    assert.equal(portOf(other.urls.plainHttp), ports.loadBalancerPort);
  });

  it("is refused without a listener for HTTPS", async () => {
    const { resources, ...graph } = loadBalancerEdge();
    const without = resources.filter(({ name }) => name !== "https");
    await assert.rejects(
      launch({ ...graph, resources: without }),
      /service: the program declares neither a distribution nor/,
    );
  });
});

describe("a listener of the program that other services share", () => {
  it("forwards requests to localhost as requests to the domain of the service", async () => {
    const forHost = (priority: number, host: string, targetGroupArn: string): DeclaredResource =>
      rule(priority, [{ hostHeader: { values: [host] } }], { type: "forward", targetGroupArn });
    const { resources, ...graph } = loadBalancerEdge();
    const shared = resources.map((declared) =>
      declared.inputs["protocol"] === "HTTPS" && declared.type === "aws:lb/listener:Listener"
        ? withDefault(declared, "arn:others")
        : declared,
    );
    const rules = [forHost(1, "api.example.com", "arn:others"), forHost(2, "ws.example.com", "arn:group")];
    await using fixture = await running({
      ...graph,
      resources: [...shared, ...rules.map((declared) => onListener(declared, "arn:https"))],
    });
    const { websocket } = fixture.urls;
    for (const headers of [{}, { Host: "ws.example.com" }]) {
      using client = await connect(websocket, headers);
      assert.ok(client.pid > 0);
    }
    for (const Host of ["api.example.com", "other.example.com"]) {
      assert.equal(await refusedUpgrade(websocket, { Host }), 503);
    }
  });
});

function withDefault(listener: DeclaredResource, targetGroupArn: string): DeclaredResource {
  const defaultActions = [{ type: "forward", targetGroupArn }];
  return { ...listener, inputs: { ...listener.inputs, defaultActions } };
}

function onListener(declared: DeclaredResource, listenerArn: string): DeclaredResource {
  return { ...declared, inputs: { ...declared.inputs, listenerArn } };
}
