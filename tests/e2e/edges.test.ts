/** `npm start` with each edge that a stack's file can have, other than the default. */
import assert from "node:assert/strict";
import { ask } from "../local/support/clients.ts";
import { EDGE_CONFIGS } from "../local/support/edgeConfigs.ts";
import { askThrough, startForeignServer } from "../local/support/webSocketServer.ts";
import { connectTo, startStack, type StackProcess } from "../support/localStack.ts";

function config(values: Readonly<Record<string, string>>): readonly string[] {
  return Object.entries(values).flatMap(([key, value]) => ["--config", `${key}=${value}`]);
}

async function assertEcho({ urls }: StackProcess): Promise<void> {
  const client = await connectTo(urls.websocket);
  client.send("through every hop");
  assert.deepEqual(await client.next(), { message: "through every hop" });
  client.close();
}

describe("npm start with another edge", function () {
  // Evaluation, processes and health checks are slow on a busy machine.
  this.timeout(60_000);

  let stack: StackProcess | undefined;

  afterEach(async () => {
    await stack?.close();
    stack = undefined;
  });

  it("emulates a load balancer with a certificate", async () => {
    stack = await startStack(...config(EDGE_CONFIGS["a load balancer with a certificate"]));
    await assertEcho(stack);
    const { page, plainHttp = "", loadBalancer } = stack.urls;
    assert.match((await ask(page)).body, /<title>WebSocket console<\/title>/);
    const { status, headers } = await ask(`${plainHttp}/index.html?a=1`);
    assert.equal(status, 301);
    assert.equal(headers.location, `${page.replace("localhost", "127.0.0.1")}?a=1`);
    assert.equal(loadBalancer, undefined);
  });

  it("emulates a private origin with TLS, a custom domain, and the edge of an API Gateway", async () => {
    await using server = await startForeignServer();
    stack = await startStack(
      ...config(EDGE_CONFIGS["a private origin with TLS, a custom domain and an API Gateway"]),
      "--api-gateway-origin",
      `ws://127.0.0.1:${server.port}/prod`,
    );
    await assertEcho(stack);
    assert.equal(stack.urls.loadBalancer, undefined);
    assert.ok(stack.urls.apiGateway);
    const { asked, echo } = await askThrough(stack.urls.apiGateway, { Cookie: "a=1" }, "hello");
    assert.equal(echo, "hello");
    assert.equal(asked.url, "/prod/");
    assert.equal(asked.headers.cookie, undefined);
  });
});
