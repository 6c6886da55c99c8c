/**
 * The idle timeout of a load balancer that is the edge. It closes a connection without a Close frame (1006), and heartbeats prevent
 * that. The tests run the declared stack with other times.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import path from "node:path";
import { connect, type Connection, type ConnectOptions, type Reconnecting } from "../../client/src/index.ts";
import { evaluateStack } from "../../infra/evaluation/evaluate.ts";
import { type DeclaredGraph, findResource } from "../../infra/evaluation/graph.ts";
import { readService } from "../../local/model/service.ts";
import { EDGE_CONFIGS, fullKeys } from "../local/support/edgeConfigs.ts";
import { ROOT } from "../local/support/paths.ts";
import { running, type StackFixture } from "../local/support/stack.ts";
import { atSuiteEnd } from "../support/atSuiteEnd.ts";
import { launchBrowser } from "../support/browser.ts";
import { TrustingWebSocket } from "../support/localStack.ts";

const LOAD_BALANCER = "aws:lb/loadBalancer:LoadBalancer";
const ABNORMAL_CLOSURE = 1006;

/** The default channel, which the console page reads. */
const CHANNEL = "/";

const LOAD_BALANCER_EDGE = fullKeys({
  ...EDGE_CONFIGS["a load balancer with a certificate"],
  backplane: "memory",
  maxTasks: "1",
});

function open(url: string, options: ConnectOptions = {}): Connection {
  return connect(url, {
    WebSocket: TrustingWebSocket,
    backoffBaseMs: 20,
    backoffCapMs: 20,
    ...options,
  });
}

/** Starts a stack with an idle timeout that the program would refuse. */
async function stackWith(times: {
  readonly idleTimeoutSeconds: number;
  readonly heartbeatSeconds?: number;
}): Promise<StackFixture> {
  const { idleTimeoutSeconds, heartbeatSeconds } = times;
  const config =
    heartbeatSeconds === undefined ? {} : { "websocket:heartbeatSeconds": String(heartbeatSeconds) };
  const graph = await evaluateStack({ stack: "dev", config: { ...LOAD_BALANCER_EDGE, ...config } });
  const resources = graph.resources.map((resource) =>
    resource.type === LOAD_BALANCER
      ? { ...resource, inputs: { ...resource.inputs, idleTimeout: idleTimeoutSeconds } }
      : resource,
  );
  return running({ ...graph, resources }, { tasks: 1, entry: path.join(ROOT, "app", "src", "main.ts") });
}

/** The declared times in seconds. */
function declaredTimes(graph: DeclaredGraph): { readonly idle: number; readonly heartbeat: number } {
  const { environment } = readService(graph).container;
  return {
    idle: Number(findResource(graph, LOAD_BALANCER).inputs["idleTimeout"]),
    heartbeat: Number(environment["WEBSOCKET_HEARTBEAT_SECONDS"]),
  };
}

describe("an idle timeout at the load balancer", function () {
  this.timeout(60_000);

  describe("that is shorter than the heartbeat interval", () => {
    let stack: StackFixture;

    before(async function () {
      // Longer than a response of a busy machine takes: the same timeout applies to it.
      stack = await stackWith({ idleTimeoutSeconds: 2 });
      atSuiteEnd(this, () => stack.stack.close());
    });

    it("closes a silent client, which reconnects, resumes and misses no message", async () => {
      const { websocket } = stack.urls;
      const publisher = open(websocket);
      const CLOSURES = 3;
      /** The reader reconnects only after a message has been stored. */
      let stored: Promise<unknown> = Promise.resolve();
      const reader = open(websocket, {
        token: async () => {
          await stored;
          return "any";
        },
      });
      let isSubscribed = false;
      const channel = reader.channel<number>(CHANNEL, { onSubscribed: () => (isSubscribed = true) });
      const losses: Reconnecting[] = [];
      reader.on("reconnecting", (loss) => {
        if (!isSubscribed || losses.length === CLOSURES) return;
        losses.push(loss);
        stored = publisher.publish(CHANNEL, losses.length);
      });
      const received: number[] = [];
      for await (const { value, gap } of channel) {
        assert.equal(gap, undefined);
        received.push(value);
        if (received.length === CLOSURES) break;
      }
      assert.deepEqual(received, [1, 2, 3]);
      for (const { code } of losses) assert.equal(code, ABNORMAL_CLOSURE);
      await Promise.all([reader.close(), publisher.close()]);
    });

    it("closes the console page's connection, which shows the code and the messages since then", async function () {
      const browser = await launchBrowser(this);
      const publisher = open(stack.urls.websocket);
      try {
        const page = await browser.newPage({ ignoreHTTPSErrors: true });
        await page.goto(stack.urls.page);
        await page.getByRole("button", { name: "Connect", exact: true }).click();
        const log = page.getByRole("log");
        await log.getByText("Connected to").first().waitFor();
        await log.getByText("code 1006").first().waitFor();
        await publisher.publish(CHANNEL, 4711);
        await log.getByText("Reconnected to").first().waitFor();
        await log.getByText("4711").waitFor();
        assert.equal(await log.getByText("Missed").count(), 0);
      } finally {
        await publisher.close();
        await browser.close();
      }
    });
  });

  it("closes no client while the server sends heartbeats at the declared ratio", async () => {
    const declared = declaredTimes(await evaluateStack({ stack: "dev", config: LOAD_BALANCER_EDGE }));
    assert.ok(declared.heartbeat < declared.idle);
    // The test runs both times faster, by the same factor.
    const times = { heartbeatSeconds: 1, idleTimeoutSeconds: declared.idle / declared.heartbeat };
    await using stack = await stackWith(times);

    const connection = open(stack.urls.websocket);
    let opened = 0;
    connection.on("open", () => (opened += 1));
    const plain = new TrustingWebSocket(stack.urls.websocket, []);
    await once(plain, "message");
    let closed = false;
    plain.on("close", () => (closed = true));

    const since = performance.now();
    while (performance.now() - since < 1.2 * times.idleTimeoutSeconds * 1000) await once(plain, "ping");
    await connection.publish(CHANNEL, 1);
    assert.equal(opened, 1);
    assert.equal(closed, false);
    plain.terminate();
    await connection.close();
  });
});
