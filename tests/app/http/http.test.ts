import assert from "node:assert/strict";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";

import { HttpConnections } from "../../../app/src/http/httpConnections.ts";
import { createPages } from "../../../app/src/http/pages.ts";
import { connect } from "../support/client.ts";
import { listen } from "../support/listen.ts";
import { memoryInUse } from "../support/memory.ts";
import { exchange, nextServerSocket, openSocket, upgradeRequest } from "../support/rawClient.ts";
import { startServer } from "../support/server.ts";
import { afterwards, silent, tearDown } from "../support/teardown.ts";
import { due, waitUntil } from "../../support/waitUntil.ts";

/** A client's Close frame, after which the server ends the connection. */
const CLOSE = "\x88\x80\0\0\0\0";

/** Elastic Load Balancing, "Connection idle timeout". */
const MAX_IDLE_TIMEOUT_SECONDS = 4_000;

describe("plain HTTP", () => {
  afterEach(tearDown);

  for (const path of ["/", "/health"]) {
    it(`answers ${path} with 200 Ok`, async () => {
      const { origin } = await startServer();
      const response = await fetch(origin + path);
      assert.equal(response.status, 200);
      assert.equal(await response.text(), "Ok");
      assert.equal(response.headers.get("cache-control"), "no-store");
      assert.equal(response.headers.get("x-powered-by"), null);
    });
  }

  it("keeps an idle connection for longer than a load balancer does", async () => {
    const { origin } = await startServer();
    const { headers } = await fetch(`${origin}/health`);
    const [, seconds] = /^timeout=(\d+)$/.exec(headers.get("keep-alive") ?? "") ?? [];
    assert.ok(Number(seconds) > MAX_IDLE_TIMEOUT_SECONDS, `${seconds} s`);
  });

  it("serves the console page and its files, and lets the page load nothing else", async () => {
    const { origin } = await startServer();
    const response = await fetch(`${origin}/index.html`);
    assert.equal(response.status, 200);
    assert.match(response.headers.get("content-type") ?? "", /^text\/html/);
    assert.match(
      response.headers.get("content-security-policy") ?? "",
      /default-src 'none'.*script-src 'self';/,
    );
    assert.equal(response.headers.get("x-content-type-options"), "nosniff");

    const page = await response.text();
    const files = Array.from(page.matchAll(/(?:src|href)="(?!data:)([^"]+)"/g), ([, file]) => file ?? "");
    assert.deepEqual(files.toSorted(), ["console.css", "console.js"]);
    for (const file of files) assert.equal((await fetch(`${origin}/${file}`)).status, 200, file);
    assert.doesNotMatch(
      page,
      /\son\w+=|<style|style=|<script>/,
      "nothing inline, which the policy would block",
    );
  });

  for (const path of [
    ...["/nothing", "/wssx", "/WSS", "/wss/a/b", "/wss/%20", "/%ff", "/console/", "/.env"],
    ...["/..%2fpackage.json", "/%2e%2e/package.json"],
  ]) {
    it(`answers ${path} with 404`, async () => {
      const { origin } = await startServer();
      assert.equal((await fetch(origin + path)).status, 404);
    });
  }

  // A page of another origin imports the client, and reads the other two statuses.
  for (const [path, status] of [
    ["/client.js", 200],
    ["/wss/room", 426],
    ["/nothing", 404],
  ] as const) {
    it(`lets pages of every origin read ${path}`, async () => {
      const { origin } = await startServer();
      const response = await fetch(origin + path, { headers: { Origin: "https://elsewhere.example" } });
      assert.equal(response.status, status);
      assert.equal(response.headers.get("access-control-allow-origin"), "*");
    });
  }

  for (const path of ["/wss", "/wss/", "/wss/room"]) {
    it(`answers ${path} without an upgrade with 426`, async () => {
      const { origin } = await startServer();
      const response = await fetch(origin + path);
      assert.equal(response.status, 426);
      assert.equal(response.headers.get("Upgrade"), "websocket");
      assert.match(response.headers.get("Connection") ?? "", /\bclose$/);
    });
  }

  it("serves the client's script as soon as it can be read", async () => {
    const folder = await mkdtemp(path.join(tmpdir(), "console-"));
    afterwards(() => rm(folder, { recursive: true }));
    const pages = createPages({
      readiness: () => "Ok",
      consoleFolder: path.join(folder, "console"),
      logger: silent,
    });
    const port = await listen(createHttpServer(pages));
    const script = (): Promise<Response> =>
      fetch(`http://127.0.0.1:${port}/client.js`, { headers: { Connection: "close" } });
    assert.equal((await script()).status, 500);
    await mkdir(path.join(folder, "client/src"), { recursive: true });
    await writeFile(path.join(folder, "client/src/index.ts"), "export const one: number = 1;");
    const answer = await script();
    assert.equal(answer.status, 200);
    assert.match(await answer.text(), /var one = 1;/);
  });

  for (const target of [
    ...[
      "/wss",
      "/wss/",
      "/wss/...",
      "http://x/wss",
      "/wss?x=y",
      "http://x:80/wss?a=b",
      "https://[::1]:80/wss/a",
    ],
    ...["ws://x/wss/a", "wss://x:8443/wss", "HTTP://x/wss", "Ws://X/wss?a=b"],
  ]) {
    it(`accepts upgrades on ${target}`, async () => {
      const { address } = await startServer();
      assert.match(await exchange(address.port, upgradeRequest(target) + CLOSE), /^HTTP\/1\.1 101 /);
    });
  }

  it("answers requests in absolute form, with any case of the scheme", async () => {
    const { address } = await startServer();
    for (const target of ["http://x/health", "HTTP://x/"]) {
      const request = `GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;
      assert.match(await exchange(address.port, request), /^HTTP\/1\.1 200 /);
    }
  });

  it("answers earlier requests on the same connection before an upgrade", async () => {
    const { address } = await startServer();
    // The page is read from the disk, so its answer takes several turns.
    const page = "GET /index.html HTTP/1.1\r\nHost: x\r\n\r\n";
    const answer = await exchange(address.port, page + page + upgradeRequest() + CLOSE);
    assert.match(answer, /^HTTP\/1\.1 200 [^]*<\/html>\s*HTTP\/1\.1 200 [^]*<\/html>\s*HTTP\/1\.1 101 /);
    assert.ok(answer.endsWith('{"connection":"ok"}\x88\x00'), JSON.stringify(answer.slice(-40)));
  });

  it("closes idle connections that would prevent WebSockets", async () => {
    const { url, address } = await startServer({ maxConnections: 1 });
    const ask = async (): Promise<void> => {
      const socket = openSocket(address.port);
      socket.write("GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
      await once(socket, "data");
    };
    // More than the server takes at all.
    for (let n = 0; n < 12; n++) await Promise.all(Array.from({ length: 50 }, ask));
    const client = await connect(url);
    client.send("let in");
    assert.equal(await client.nextMessage(), "let in");
  });

  /** Requests the client's script again and again on a connection that reads no answer. */
  async function stall(
    port: number,
    headers = "",
  ): Promise<{ readonly client: Socket; readonly closed: Promise<unknown>; readonly socket: Socket }> {
    const accepted = nextServerSocket();
    const client = openSocket(port);
    const socket = await accepted;
    client.pause();
    const [request, onFinished] = [
      `GET /client.js HTTP/1.1\r\nHost: x\r\n${headers}\r\n`,
      "http.server.response.finish",
    ];
    let requests = 0;
    const send = (): void => {
      requests += 1;
      client.write(request);
    };
    subscribe(onFinished, send);
    afterwards(() => unsubscribe(onFinished, send));
    const closed = once(socket, "close");
    send();
    // The buffers of the system are full when an answer remains in that of the socket. The first answer needs time for a build.
    let last = 0;
    const isStalled = (): boolean => last === (last = requests) && socket.writableLength > 0;
    await waitUntil(() => socket.closed || isStalled(), { everyMs: 50 });
    return { client, closed: due(closed, "the end of the connection"), socket };
  }

  it("drops a connection that does not read its answers, and keeps one that is idle", async () => {
    const { address } = await startServer({}, { limits: { writeTimeoutMs: 200 } });
    const idle = openSocket(address.port);
    const ask = async (): Promise<void> => {
      idle.write("GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
      await due(once(idle, "data"), "an answer");
    };
    await ask();
    await (
      await stall(address.port)
    ).closed;
    await ask();
  });

  it("drops a connection that pipelines many requests", async () => {
    const { address } = await startServer();
    const page = "GET /index.html HTTP/1.1\r\nHost: x\r\n\r\n";
    const last = page.replace("Host", "Connection: close\r\nHost");
    assert.match(
      await exchange(address.port, page.repeat(15) + last),
      /^(?:HTTP\/1\.1 200 [^]*?<\/html>\s*){16}$/,
    );
    assert.equal(await exchange(address.port, page.repeat(16) + last), "");
  });

  it("drops a connection whose client sends unknown expectations and reads no answer", async () => {
    const { address } = await startServer({}, { limits: { writeTimeoutMs: 200 } });
    await (
      await stall(address.port, "Expect: x\r\n")
    ).closed;
  });

  for (const end of ["times out", "ends when the server closes"] as const) {
    it(`holds an upgrade behind answers that the client does not read until it ${end}`, async () => {
      // Enough for the upgrade to arrive on a busy machine.
      const limits = end === "times out" ? { writeTimeoutMs: 2000 } : {};
      const server = await startServer({}, { limits });
      const { client, socket, closed } = await stall(server.address.port);
      client.write(upgradeRequest("/wss"));
      // Node.js has handed the connection over.
      await waitUntil(() => socket.listenerCount("data") === 0);
      if (end !== "times out") await due(server.close(), "the end of the server");
      await closed;
    });
  }

  it("forgets connections that end before their answers", async () => {
    // It never answers.
    const http = createHttpServer();
    new HttpConnections(http, {
      maxIdle: 1,
      answerTimeoutMs: 1000,
      onMalformedRequest: (socket) => socket.destroy(),
    });
    const sockets: WeakRef<Socket>[] = [];
    http.on("connection", (socket: Socket) => sockets.push(new WeakRef(socket)));
    const port = await listen(http);
    for (let n = 0; n < 20; n++) {
      const client = openSocket(port);
      client.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
      await once(http, "request");
      client.destroy();
    }
    await waitUntil(() => {
      memoryInUse();
      // Node itself may keep the last one for a while.
      return sockets.filter((socket) => socket.deref() !== undefined).length <= 1;
    });
  });

  it("counts malformed requests by the status of the answer", async () => {
    const { address, metrics } = await startServer();
    const long = `GET / HTTP/1.1\r\nHost: x\r\nX-Long: ${"x".repeat(17 * 1024)}\r\n\r\n`;
    assert.match(await exchange(address.port, long), /^HTTP\/1\.1 431 /);
    assert.match(await exchange(address.port, "no HTTP\r\n\r\n"), /^HTTP\/1\.1 400 /);
    assert.deepEqual(metrics.snapshot().tally.upgradesRefused, { 400: 1, 431: 1 });
  });

  it("accepts one Authorization header, and requests a token by WWW-Authenticate", async () => {
    const seen: unknown[] = [];
    const { address } = await startServer(
      {},
      {
        authorize: ({ authorization }) => {
          seen.push(authorization);
          return Promise.resolve({ granted: false, status: 401, reason: "no" });
        },
      },
    );
    const answerTo = (...headers: string[]): Promise<string> => {
      const lines = headers.map((header) => `Authorization: ${header}`);
      return exchange(address.port, upgradeRequest("/wss", lines));
    };
    for (const headers of [["Bearer a"], ["Bearer a", "Bearer a"], ["Bearer a", "Bearer b"], []]) {
      const answer = await answerTo(...headers);
      assert.match(answer, /^HTTP\/1\.1 401 /);
      assert.match(answer, /^WWW-Authenticate: Bearer\r$/m);
    }
    assert.deepEqual(seen, ["Bearer a", "Bearer a", undefined]);
  });

  it("accepts upgrades that offer another protocol in addition to WebSocket", async () => {
    const { address } = await startServer();
    const request = upgradeRequest().replace("Upgrade: websocket", "Upgrade: x, WebSocket");
    assert.match(await exchange(address.port, request + CLOSE), /^HTTP\/1\.1 101 /);
  });

  it("answers requests that offer only other protocols than WebSocket as ordinary ones", async () => {
    const { address } = await startServer();
    const request = "GET /health HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: h2c\r\n\r\n";
    assert.match(await exchange(address.port, request), /^HTTP\/1\.1 200 /);
  });
});
