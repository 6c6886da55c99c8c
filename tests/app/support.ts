/** Servers, clients and processes for the tests of the server, each with its own teardown. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect as connectSocket } from "node:net";
import type { Socket } from "node:net";
import { createInterface } from "node:readline";
import { setImmediate as nextTurn } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import { pino } from "pino";
import { WebSocket } from "ws";
import type { ClientOptions } from "ws";

import { createHub } from "../../app/src/hub.ts";
import type { Hub } from "../../app/src/hub.ts";
import type { MessageLog } from "../../app/src/log/log.ts";
import { createMemoryLog } from "../../app/src/log/memory.ts";
import { createServer } from "../../app/src/server.ts";
import type { Server } from "../../app/src/server.ts";
import { defaultSettings } from "../../app/src/settings.ts";
import type { Settings } from "../../app/src/settings.ts";

export const silent = pino({ level: "silent" });

const CONSOLE_FOLDER = fileURLToPath(new URL("../../console", import.meta.url));
export const MAIN = fileURLToPath(new URL("../../app/src/main.ts", import.meta.url));

/** What the current test has started, to be ended after it, the newest first. */
const started: (() => unknown)[] = [];

export function afterwards(end: () => unknown): void {
  started.push(end);
}

/** To be called by every test file's `afterEach`. */
export async function tearDown(): Promise<void> {
  for (const end of started.splice(0).reverse()) await end();
}

export interface TestServer extends Server {
  readonly hub: Hub;
  /** `ws://…/wss` */
  readonly url: string;
  /** `http://…`, without a path. */
  readonly origin: string;
}

export async function startServer(overrides: Partial<Settings> = {}, log?: MessageLog): Promise<TestServer> {
  const settings: Settings = { ...defaultSettings(), host: "127.0.0.1", port: 0, ...overrides };
  const usedLog = log ?? createMemoryLog(settings);
  const hub = createHub({ log: usedLog, retainedBytes: settings.retainedBytes, logger: silent });
  const server = await createServer({ settings, hub, logger: silent, consoleFolder: CONSOLE_FOLDER });
  afterwards(async () => {
    await server.close();
    hub.close();
    await usedLog.close();
  });
  const authority = `${server.address.host}:${server.address.port}`;
  return { ...server, hub, url: `ws://${authority}/wss`, origin: `http://${authority}` };
}

/** A log that is far away: what it is asked to do takes that many turns of the event loop. */
export function createRemoteLog(retainedBytes: number, turns = { append: 20, subscribe: 20 }): MessageLog {
  const memory = createMemoryLog({ retainedBytes });
  const travel = async (distance: number): Promise<void> => {
    for (let turn = 0; turn < distance; turn++) await nextTurn();
  };
  return {
    ...memory,
    async append(...entry) {
      await travel(turns.append);
      return memory.append(...entry);
    },
    subscribe(channel, from, reader) {
      let stop: (() => void) | undefined;
      let stopped = false;
      void travel(turns.subscribe).then(() => {
        if (!stopped) stop = memory.subscribe(channel, from, reader);
      });
      return () => {
        stopped = true;
        stop?.();
      };
    },
  };
}

export class Client {
  readonly webSocket: WebSocket;
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;
  readonly #received: string[] = [];
  readonly #waiting: ((text: string) => void)[] = [];

  constructor(url: string, options?: ClientOptions) {
    this.webSocket = new WebSocket(url, options);
    this.webSocket.on("message", (data) => {
      assert.ok(Buffer.isBuffer(data));
      const text = data.toString();
      const resolve = this.#waiting.shift();
      if (resolve === undefined) this.#received.push(text);
      else resolve(text);
    });
    this.webSocket.on("error", () => undefined);
    this.closed = new Promise((resolve) => {
      this.webSocket.on("close", (code, reason) => {
        resolve({ code, reason: reason.toString() });
      });
    });
  }

  send(value: unknown): void {
    this.webSocket.send(JSON.stringify(value));
  }

  /** The next text that the server sends, or has sent. */
  next(): Promise<string> {
    const text = this.#received.shift();
    if (text !== undefined) return Promise.resolve(text);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** The next value that anybody published. */
  async nextMessage(): Promise<unknown> {
    const value: unknown = JSON.parse(await this.next());
    assert.ok(typeof value === "object" && value !== null && "message" in value, JSON.stringify(value));
    return value.message;
  }
}

/** A client that has received its greeting. */
export async function connect(url: string, options?: ClientOptions): Promise<Client> {
  const client = new Client(url, options);
  afterwards(() => {
    client.webSocket.terminate();
  });
  assert.equal(await client.next(), '{"connection":"ok"}');
  return client;
}

/** How an upgrade that is not granted is answered. */
export async function refusal(
  url: string,
  options?: ClientOptions,
): Promise<{ status: number | undefined; retryAfter: string | undefined }> {
  const webSocket = new WebSocket(url, options);
  webSocket.on("error", () => undefined);
  return new Promise((resolve, reject) => {
    webSocket.on("open", () => {
      reject(new Error(`${url} granted the upgrade`));
    });
    webSocket.on("unexpected-response", (request, response) => {
      request.destroy();
      resolve({ status: response.statusCode, retryAfter: response.headers["retry-after"] });
    });
  });
}

/** A WebSocket client that does what it is told to and nothing by itself: no pong, no closing handshake. */
export interface RawClient {
  readonly socket: Socket;
  /** What came after the handshake's answer. */
  received(): Buffer;
  /** Resolves when `text` has come. */
  seen(text: string | Buffer): Promise<void>;
}

export async function connectRaw(port: number): Promise<RawClient> {
  const socket = connectSocket(port, "127.0.0.1");
  afterwards(() => socket.destroy());
  socket.on("error", () => undefined);
  socket.write(
    [
      "GET /wss HTTP/1.1",
      "Host: 127.0.0.1",
      "Connection: Upgrade",
      "Upgrade: websocket",
      "Sec-WebSocket-Version: 13",
      "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
      "\r\n",
    ].join("\r\n"),
  );
  let bytes = Buffer.alloc(0);
  socket.on("data", (chunk) => {
    bytes = Buffer.concat([bytes, chunk]);
  });
  const client: RawClient = {
    socket,
    received: () => bytes.subarray(bytes.indexOf("\r\n\r\n") + 4),
    async seen(text) {
      while (!bytes.includes(text)) await once(socket, "data");
    },
  };
  await client.seen('{"connection":"ok"}');
  return client;
}

/** A frame as a client sends it: masked, with a mask of zeros, and short. */
export function clientFrame(opcode: number, payload: Buffer): Buffer {
  assert.ok(payload.length < 126);
  return Buffer.concat([Buffer.from([0x80 | opcode, 0x80 | payload.length, 0, 0, 0, 0]), payload]);
}

/** What the payload of a Close frame begins with. */
export function closeFrameStart(code: number): Buffer {
  return Buffer.from([code >> 8, code & 0xff]);
}

export interface TestProcess {
  readonly pid: number;
  /** Resolves with the first line on standard output for which `wanted` holds. */
  line(wanted: (line: string) => boolean): Promise<string>;
  kill(signal: NodeJS.Signals): void;
  /** Resolves when the process has ended. */
  readonly ended: Promise<{ code: number | null; output: string; errors: string }>;
}

/** Runs a script by this Node, with no environment but the given one. */
export function run(script: string, args: readonly string[], env: Record<string, string>): TestProcess {
  const child = spawn(process.execPath, [script, ...args], { env, stdio: ["ignore", "pipe", "pipe"] });
  afterwards(() => child.kill("SIGKILL"));
  const lines: string[] = [];
  let errors = "";
  const reader = createInterface(child.stdout);
  reader.on("line", (line) => lines.push(line));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (errors += text));

  return {
    // A process without one could not be started; its `error` event says why.
    pid: child.pid ?? 0,
    async line(wanted) {
      for (;;) {
        const found = lines.find(wanted);
        if (found !== undefined) return found;
        await once(reader, "line");
      }
    },
    kill(signal) {
      child.kill(signal);
    },
    ended: once(child, "close").then(([code]: unknown[]) => ({
      code: typeof code === "number" ? code : null,
      output: lines.join("\n"),
      errors,
    })),
  };
}

/** The server as a process of its own, on a port of the system's choice. */
export async function runServer(env: Record<string, string> = {}): Promise<TestProcess & { port: number }> {
  const child = run(MAIN, [], { HOST: "127.0.0.1", PORT: "0", ...env });
  const line = await child.line((text) => text.includes('"msg":"listening"'));
  const { port }: { port?: unknown } = JSON.parse(line) as object;
  assert.ok(typeof port === "number");
  return { ...child, port };
}
