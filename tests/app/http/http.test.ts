import assert from "node:assert/strict";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import type { AddressInfo, Socket } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";

import { HttpConnections } from "../../../app/src/http/httpConnections.ts";
import { createPages } from "../../../app/src/http/pages.ts";
import { connect, refusal } from "../support/client.ts";
import { memoryInUse } from "../support/memory.ts";
import { exchange, nextServerSocket, openSocket, upgradeRequest } from "../support/rawClient.ts";
import { startServer } from "../support/server.ts";
import { afterwards, silent, tearDown } from "../support/teardown.ts";
import { due, waitUntil } from "../../support/waitUntil.ts";

/** The server gives headers 10 seconds, and checks every 2. */
const HEADERS_DEADLINE_MS = 14_000;

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
    "/nothing",
    "/wssx",
    "/console/",
    "/..%2fpackage.json",
    "/%2e%2e/package.json",
    "/.env",
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

  for (const path of ["/wss/a/b", "/wss/%20", "/WSS"]) {
    it(`answers ${path}, which is not a channel, with 404`, async () => {
      const { origin } = await startServer();
      assert.equal((await fetch(origin + path)).status, 404);
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

  it("answers a malformed path with 404", async () => {
    const { origin } = await startServer();
    assert.equal((await fetch(`${origin}/%ff`)).status, 404);
  });

  it("serves the client's script as soon as it can be read", async () => {
    const folder = await mkdtemp(path.join(tmpdir(), "console-"));
    afterwards(() => rm(folder, { recursive: true }));
    const pages = createPages({
      readiness: () => "Ok",
      consoleFolder: path.join(folder, "console"),
      logger: silent,
    });
    const http = pages.listen(0, "127.0.0.1");
    afterwards(() => http.close());
    await once(http, "listening");
    const { port } = http.address() as AddressInfo;
    const script = (): Promise<Response> =>
      fetch(`http://127.0.0.1:${port}/client.js`, { headers: { Connection: "close" } });
    assert.equal((await script()).status, 500);
    await mkdir(path.join(folder, "client/src"), { recursive: true });
    await writeFile(path.join(folder, "client/src/index.ts"), "export const one: number = 1;");
    const answer = await script();
    assert.equal(answer.status, 200);
    assert.match(await answer.text(), /var one = 1;/);
  });

  it("answers upgrades on other paths with 404", async () => {
    const { origin } = await startServer();
    for (const path of ["/", "/health", "/wssx", "/WSS", "/other"]) {
      assert.equal((await refusal(origin.replace("http", "ws") + path)).status, 404, path);
    }
  });

  it("answers malformed upgrades with 400, and keeps serving", async () => {
    const server = await startServer({ maxConnections: 1 });
    const upgrade = "GET /wss HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n";
    for (const headers of [
      "",
      "Sec-WebSocket-Version: 13\r\n",
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n",
    ]) {
      assert.match(await exchange(server.address.port, `${upgrade}${headers}\r\n`), /^HTTP\/1\.1 400 /);
    }
    await connect(server.url);
  });

  const handshake =
    "Connection: Upgrade\r\nUpgrade: websocket\r\n" +
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";

  for (const target of [
    "/wss",
    "/wss/",
    "/wss/...",
    "http://x/wss",
    "http://x:80/wss?a=b",
    "https://[::1]:80/wss/a",
    "ws://x/wss/a",
    "wss://x:8443/wss",
    "HTTP://x/wss",
    "Ws://X/wss?a=b",
  ]) {
    it(`accepts upgrades on ${target}`, async () => {
      const { address } = await startServer();
      // A client's Close frame, so that the server hangs up.
      const close = "\x88\x80\0\0\0\0";
      const request = `GET ${target} HTTP/1.1\r\nHost: x\r\n${handshake}\r\n${close}`;
      assert.match(await exchange(address.port, request), /^HTTP\/1\.1 101 /);
    });
  }

  for (const target of [
    "*",
    "//x/wss",
    "http://x",
    "http://[/wss",
    "/x/../wss/a",
    "/wss\\a",
    "/./wss",
    "/WSS",
    "ftp://x/wss",
  ]) {
    it(`answers upgrades on ${target} with 404`, async () => {
      const { address } = await startServer();
      const request = `GET ${target} HTTP/1.1\r\nHost: x\r\n${handshake}\r\n`;
      assert.match(await exchange(address.port, request), /^HTTP\/1\.1 404 /);
    });
  }

  // RFC 9112 §3.2 for the first two; a WebSocket's handshake has no body.
  for (const [what, headers] of [
    ["without a Host", ""],
    ["with two Hosts", "Host: x\r\nHost: y\r\n"],
    ["with a body of a known length", "Host: x\r\nContent-Length: 6\r\n"],
    ["with a body in chunks", "Host: x\r\nTransfer-Encoding: chunked\r\n"],
  ] as const) {
    it(`answers upgrades ${what} with 400`, async () => {
      const { address } = await startServer();
      const request = `GET /wss HTTP/1.1\r\n${headers}${handshake}\r\n`;
      assert.match(await exchange(address.port, request), /^HTTP\/1\.1 400 /);
    });
  }

  it("answers requests in absolute form, with any case of the scheme", async () => {
    const { address } = await startServer();
    for (const target of ["http://x/health", "HTTP://x/"]) {
      const request = `GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;
      assert.match(await exchange(address.port, request), /^HTTP\/1\.1 200 /);
    }
  });

  it("answers upgrades by HTTP/1.0 with 400", async () => {
    const { address } = await startServer();
    const request = `GET /wss HTTP/1.0\r\nHost: x\r\n${handshake}\r\n`;
    assert.match(await exchange(address.port, request), /^HTTP\/1\.1 400 /);
  });

  it("answers earlier requests on the same connection before an upgrade", async () => {
    const { address } = await startServer();
    // The page is read from the disk, so its answer takes several turns.
    const page = "GET /index.html HTTP/1.1\r\nHost: x\r\n\r\n";
    const upgrade = `GET /wss HTTP/1.1\r\nHost: x\r\n${handshake}\r\n\x88\x80\0\0\0\0`;
    const answer = await exchange(address.port, page + page + upgrade);
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

  it("drops a connection that does not read its answers, and keeps one that is idle", async () => {
    const { address } = await startServer({}, { limits: { writeTimeoutMs: 200 } });
    const idle = openSocket(address.port);
    const ask = async (): Promise<void> => {
      idle.write("GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
      await due(once(idle, "data"), "an answer");
    };
    await ask();
    const accepted = nextServerSocket();
    const stalled = openSocket(address.port);
    const socket = await accepted;
    // One after the other, until the buffers of the system hold no more answers.
    const request = (): void => void stalled.write("GET /client.js HTTP/1.1\r\nHost: x\r\n\r\n");
    subscribe("http.server.response.finish", request);
    afterwards(() => unsubscribe("http.server.response.finish", request));
    stalled.pause();
    request();
    await due(once(socket, "close"), "the end of the connection");
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
    const accepted = nextServerSocket();
    const stalled = openSocket(address.port);
    const socket = await accepted;
    stalled.pause();
    const request = (): void => void stalled.write("GET /client.js HTTP/1.1\r\nHost: x\r\nExpect: x\r\n\r\n");
    subscribe("http.server.response.finish", request);
    afterwards(() => unsubscribe("http.server.response.finish", request));
    request();
    await due(once(socket, "close"), "the end of the connection");
  });

  for (const end of ["times out", "ends when the server closes"] as const) {
    it(`holds an upgrade behind answers that the client does not read until it ${end}`, async () => {
      const limits = end === "times out" ? { writeTimeoutMs: 200 } : {};
      const server = await startServer({}, { limits });
      const accepted = nextServerSocket();
      const stalled = openSocket(server.address.port);
      const socket = await accepted;
      stalled.pause();
      const page = "GET /client.js HTTP/1.1\r\nHost: x\r\n\r\n";
      let requests = 1;
      const onFinish = (): void => {
        requests++;
        stalled.write(page);
      };
      subscribe("http.server.response.finish", onFinish);
      afterwards(() => unsubscribe("http.server.response.finish", onFinish));
      const closed = once(socket, "close");
      stalled.write(page);
      // The buffers of the system are full when no further answer finishes.
      let last = 0;
      await waitUntil(() => last === (last = requests), { everyMs: 100 });
      stalled.write(upgradeRequest("/wss"));
      // Node.js has handed the connection over.
      await waitUntil(() => socket.listenerCount("data") === 0);
      if (end !== "times out") await due(server.close(), "the end of the server");
      await due(closed, "the end of the connection");
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
    http.listen(0, "127.0.0.1");
    afterwards(() => http.close());
    await once(http, "listening");
    const { port } = http.address() as AddressInfo;
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

  it("answers headers that do not arrive with 408", async function () {
    this.timeout(2 * HEADERS_DEADLINE_MS);
    const { address, metrics } = await startServer();
    const socket = openSocket(address.port);
    let answer = "";
    socket.setEncoding("latin1").on("data", (text: string) => (answer += text));
    socket.write("GET / HTTP/1.1\r\nHost:");
    await once(socket, "close");
    assert.match(answer, /^HTTP\/1\.1 408 /);
    assert.deepEqual(metrics.snapshot().tally.upgradesRefused, { 408: 1 });
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
      const lines = headers.map((header) => `Authorization: ${header}\r\n`).join("");
      return exchange(address.port, `GET /wss HTTP/1.1\r\nHost: x\r\n${handshake}${lines}\r\n`);
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
    const request = `GET /wss HTTP/1.1\r\nHost: x\r\n${handshake.replace("Upgrade: websocket", "Upgrade: x, WebSocket")}\r\n`;
    assert.match(await exchange(address.port, `${request}\x88\x80\0\0\0\0`), /^HTTP\/1\.1 101 /);
  });

  it("answers requests that offer only other protocols than WebSocket as ordinary ones", async () => {
    const { address } = await startServer();
    const request = "GET /health HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: h2c\r\n\r\n";
    assert.match(await exchange(address.port, request), /^HTTP\/1\.1 200 /);
  });

  it("refuses headers above its limit with 431", async () => {
    const { address } = await startServer();
    const request = `GET / HTTP/1.1\r\nHost: x\r\nX-Long: ${"x".repeat(17 * 1024)}\r\n\r\n`;
    assert.match(await exchange(address.port, request), /^HTTP\/1\.1 431 /);
  });
});
