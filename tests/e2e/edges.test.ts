/** `npm start` with every other edge that a stack's file can choose. */
import assert from "node:assert/strict";
import { ask } from "../local/support/clients.ts";
import { EDGE_CONFIGS } from "../local/support/edgeConfigs.ts";
import { askThrough, startForeignServer } from "../local/support/webSocketServer.ts";
import { connectTo, startStack, type StackProcess } from "../support/localStack.ts";

function config(values: Readonly<Record<string, string>>): readonly string[] {
  return Object.entries(values).flatMap(([key, value]) => ["--config", `${key}=${value}`]);
}

async function echoes({ urls }: StackProcess): Promise<void> {
  const client = await connectTo(urls.websocket);
  client.send("through every hop");
  assert.deepEqual(await client.next(), { message: "through every hop" });
  client.close();
}

describe("npm start, by edge", function () {
  // Evaluation, processes and their health checks, on a busy machine.
  this.timeout(60_000);

  let stack: StackProcess | undefined;

  afterEach(async () => {
    await stack?.close();
    stack = undefined;
  });

  it("plays a load balancer with a certificate of its own", async () => {
    stack = await startStack(...config(EDGE_CONFIGS["a load balancer with a certificate"]));
    await echoes(stack);
    const { page, plainHttp = "", loadBalancer } = stack.urls;
    assert.match((await ask(page)).body, /<title>WebSocket console<\/title>/);
    const { status, headers } = await ask(`${plainHttp}/index.html?a=1`);
    assert.equal(status, 301);
    assert.equal(headers.location, `${page.replace("localhost", "127.0.0.1")}?a=1`);
    assert.equal(loadBalancer, undefined);
  });

  it("plays a private origin with TLS to it, an own name, and the edge of an API Gateway beside it", async () => {
    await using server = await startForeignServer();
    stack = await startStack(
      ...config(EDGE_CONFIGS["a private origin with TLS, an own name, and an API Gateway beside it"]),
      "--api-gateway-origin",
      `ws://127.0.0.1:${server.port}/prod`,
    );
    await echoes(stack);
    assert.equal(stack.urls.loadBalancer, undefined);
    assert.ok(stack.urls.apiGateway);
    const { asked, echo } = await askThrough(stack.urls.apiGateway, { Cookie: "a=1" }, "hello");
    assert.equal(echo, "hello");
    assert.equal(asked.url, "/prod/");
    assert.equal(asked.headers.cookie, undefined);
  });

  it("plays the edge of an API Gateway alone", async () => {
    await using server = await startForeignServer();
    stack = await startStack(
      ...config(EDGE_CONFIGS["an API Gateway alone"]),
      "--api-gateway-origin",
      `ws://127.0.0.1:${server.port}`,
    );
    const { asked } = await askThrough(`${stack.urls.websocket}?token=1`, {}, "hello");
    assert.equal(asked.url, "/");
    assert.equal(asked.headers.host, "abcdef1234.execute-api.us-east-1.amazonaws.com");
  });
});
