import assert from "node:assert/strict";
import { freePort } from "../../../cli/valkeyServer.ts";
import { localCertificate } from "../../../local/runtime/network/certificate.ts";
import { connect, refusedUpgrade } from "../support/clients.ts";
import {
  API_GATEWAY_HOST,
  apiGatewayAlone,
  apiGatewayBeside,
  apiGatewayResources,
} from "../support/edges.ts";
import { graphOf, wholePath } from "../support/graph.ts";
import { portOf } from "../support/ports.ts";
import { FIXTURE_OPTIONS, launch, running } from "../support/stack.ts";
import { askThrough, startForeignServer } from "../support/webSocketServer.ts";

describe("an API Gateway", () => {
  const BROWSERS = {
    Origin: "https://app.example.com",
    Cookie: "session=1",
    "User-Agent": "a browser",
    "X-Mine": "1",
  };

  function originAt(port: number, scheme = "ws"): URL {
    return new URL(`${scheme}://127.0.0.1:${port}/prod`);
  }

  it("receives the headers of its policy, and no others of the viewer", async () => {
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
      "x-amz-cf-id": requestId,
      ...others
    } = asked.headers;
    assert.ok(key !== undefined && extensions !== undefined && requestId !== undefined);
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

  it("receives the query parameters of its policy", async () => {
    await using server = await startForeignServer();
    const graph = graphOf(
      apiGatewayResources({ queryStringBehavior: "whitelist", queryStrings: { items: ["token"] } }),
    );
    await using fixture = await running(graph, { apiGatewayOrigin: originAt(server.port) });
    const { asked } = await askThrough(`${fixture.urls.websocket}?a=1&token=t%3D&token=u&Token=v`, {}, "");
    assert.equal(asked.url, "/prod/?token=t%3D&token=u");
    const { path } = await fixture.next("declared");
    assert.match(
      path.find(({ part }) => part === "receives")?.text ?? "",
      /^the headers Sec-WebSocket-Key .*, no cookies, the query strings token$/,
    );
  });

  it("may have TLS with another certificate", async () => {
    await using server = await startForeignServer(await localCertificate(FIXTURE_OPTIONS.cacheDirectory));
    const apiGatewayOrigin = originAt(server.port, "wss");
    await using fixture = await running(apiGatewayAlone(), { apiGatewayOrigin });
    assert.equal((await askThrough(fixture.urls.websocket, {}, "x")).echo, "x");
  });

  it("has an edge that refuses plain HTTP, as declared", async () => {
    await using server = await startForeignServer();
    await using fixture = await running(apiGatewayAlone(), { apiGatewayOrigin: originAt(server.port) });
    assert.equal(await refusedUpgrade(fixture.urls.websocket.replace("wss", "ws")), 403);
  });

  it("has no task and no page without a service, and stops in order", async () => {
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

  it("has its own edge beside that of a service", async () => {
    await using server = await startForeignServer();
    await using fixture = await running(apiGatewayBeside(), { apiGatewayOrigin: originAt(server.port) });
    using client = await connect(fixture.urls.websocket);
    assert.ok(client.pid > 0);
    assert.notEqual(portOf(fixture.urls.apiGateway), portOf(fixture.urls.websocket));
    assert.equal((await askThrough(fixture.urls.apiGateway, {}, "x")).echo, "x");
  });

  it("has an error that names its port and that of the service's edge, if both are taken", async () => {
    await using server = await startForeignServer();
    const { port } = server;
    const options = { apiGatewayOrigin: originAt(port), edgePort: port, apiGatewayPort: port };
    await assert.rejects(
      launch(apiGatewayBeside(), options),
      /for the edge is taken\..*\n.* for the API Gateway's edge is taken\. Fix: pass `--api-gateway-port PORT`/,
    );
  });

  it("is reported as unsupported with the option that changes this", async () => {
    await using fixture = await running(apiGatewayBeside());
    const { names, reason } = await fixture.next("unsupported");
    assert.deepEqual(names, ["api"]);
    assert.match(
      reason,
      /emulates its API Gateway\. Fix: pass `--api-gateway-origin ws:\/\/127\.0\.0\.1:PORT\/STAGE`$/,
    );
    assert.equal(fixture.urls.apiGateway, "");
    const { counts } = await fixture.next("declared");
    assert.equal(counts.unsupported, 1);
  });

  it("is required if the stack has no service", async () => {
    await assert.rejects(
      launch(apiGatewayAlone()),
      /^ExpectedError: Stack test cannot be emulated: .* `--api-gateway-origin ws:/,
    );
  });

  it("is refused if the stack declares none", async () => {
    await assert.rejects(
      launch(wholePath(), { apiGatewayOrigin: originAt(1) }),
      /`--api-gateway-origin`: got ws:.*; expected no value: stack test has no API Gateway/,
    );
  });

  it("that does not listen makes the edge return 502", async () => {
    await using fixture = await running(apiGatewayAlone(), { apiGatewayOrigin: originAt(await freePort()) });
    assert.equal(await refusedUpgrade(fixture.urls.websocket), 502);
  });
});
