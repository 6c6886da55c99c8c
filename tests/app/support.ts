/** Servers, clients and processes for the tests of the server, each with its own teardown. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect as connectSocket } from "node:net";
import type { Socket } from "node:net";
import { createInterface } from "node:readline";
import { setImmediate as nextTurn } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

import { pino } from "pino";
import type { Logger } from "pino";
import * as ws from "ws";
import { WebSocket } from "ws";
import type { ClientOptions } from "ws";

import type { Authorizer } from "../../app/src/auth/authorize.ts";
import { headerLength, writeHeader } from "../../app/src/wire/frame.ts";
import type { Opcode } from "../../app/src/wire/frame.ts";
import { Hub } from "../../app/src/channel/hub.ts";
import type { ResumePoint } from "../../app/src/channel/cursor.ts";
import type { Appended, LogPosition, LogReader, MessageLog, NewMessage } from "../../app/src/log/log.ts";
import { createMemoryLog } from "../../app/src/log/memory/memoryLog.ts";
import { Metrics } from "../../app/src/metrics/metrics.ts";
import { RESUME_SUBPROTOCOL } from "../../app/src/wire/messages.ts";
import type { Gap } from "../../app/src/wire/messages.ts";
import { createServer } from "../../app/src/server.ts";
import type { Server } from "../../app/src/server.ts";
import { defaultSettings } from "../../app/src/settings/settings.ts";
import type { Settings } from "../../app/src/settings/settings.ts";
import type { WireLimits } from "../../app/src/connection/wireLimits.ts";
import { due, waitUntil } from "../support/waitUntil.ts";

export { due, waitUntil };

export const silent = pino({ level: "silent" });

/** The channel of `/wss` itself. */
export const DEFAULT_CHANNEL = "";

export const PROTOCOL = readFileSync(new URL("../../PROTOCOL.md", import.meta.url), "utf8");
const CONSOLE_FOLDER = fileURLToPath(new URL("../../console", import.meta.url));
export const MAIN = fileURLToPath(new URL("../../app/src/main.ts", import.meta.url));

/** Time in which a process that was started must have printed what it prints first. */
const START_MS = 15_000;

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
  readonly metrics: Metrics;
  /** `ws://…/wss` */
  readonly url: string;
  /** `http://…`, without a path. */
  readonly origin: string;
}

export interface ServerOptions {
  readonly log?: MessageLog;
  /** @see HubParts.lingerMs */
  readonly lingerMs?: number;
  readonly authorize?: Authorizer;
  readonly logger?: Logger;
  readonly limits?: Partial<WireLimits>;
}

export async function startServer(
  overrides: Partial<Settings> = {},
  { log, lingerMs = 0, authorize, logger = silent, limits = {} }: ServerOptions = {},
): Promise<TestServer> {
  const settings: Settings = { ...defaultSettings(), host: "127.0.0.1", port: 0, ...overrides };
  const usedLog = log ?? createMemoryLog(settings);
  const metrics = new Metrics();
  const hub = new Hub({ ...settings, log: usedLog, lingerMs });
  const server = await createServer({
    settings,
    hub,
    metrics,
    logger,
    consoleFolder: CONSOLE_FOLDER,
    authorize,
    limits,
  });
  afterwards(async () => {
    await server.close();
    hub.close();
    await usedLog.close();
    metrics.close();
  });
  const authority = `${server.address.host}:${server.address.port}`;
  return { ...server, hub, metrics, url: `ws://${authority}/wss`, origin: `http://${authority}` };
}

/** A log that keeps so many bytes. */
export function memoryLog(retainedBytes = defaultSettings().retainedBytes): MessageLog {
  return createMemoryLog({ ...defaultSettings(), retainedBytes });
}

/** A log that is far away: what it is asked to do takes that many turns of the event loop. */
export function createRemoteLog(retainedBytes: number, turns = { append: 20, subscribe: 20 }): MessageLog {
  const memory = memoryLog(retainedBytes);
  const travel = async (distance: number): Promise<void> => {
    for (let turn = 0; turn < distance; turn++) await nextTurn();
  };
  return {
    ...memory,
    async append(message) {
      await travel(turns.append);
      return memory.append(message);
    },
    subscribe(channel, reader) {
      let stop: (() => void) | undefined;
      let stopped = false;
      void travel(turns.subscribe).then(() => {
        if (!stopped) stop = memory.subscribe(channel, reader);
      });
      return () => {
        stopped = true;
        stop?.();
      };
    },
  };
}

/** A log whose answers and entries come when the test says so. */
export class ManualLog implements MessageLog {
  readonly appends: {
    readonly message: NewMessage;
    readonly answer: PromiseWithResolvers<Appended>;
  }[] = [];
  /** Those that are subscribed now. */
  readonly readers = new Map<string, LogReader>();
  onEnd: (channel: string) => Promise<LogPosition> = () => Promise.reject(new Error("away"));

  append(message: NewMessage): Promise<Appended> {
    const answer = Promise.withResolvers<Appended>();
    this.appends.push({ message, answer });
    return answer.promise;
  }

  end(channel: string): Promise<LogPosition> {
    return this.onEnd(channel);
  }

  subscribe(channel: string, reader: LogReader): () => void {
    assert.ok(!this.readers.has(channel), "one reader per channel");
    this.readers.set(channel, reader);
    return () => {
      if (this.readers.get(channel) === reader) this.readers.delete(channel);
    };
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  reader(channel: string): LogReader {
    return this.readers.get(channel) ?? assert.fail(`nobody reads ${JSON.stringify(channel)}`);
  }
}

type UpgradeOptions = ClientOptions & { readonly protocol?: string | undefined };

export interface Closed {
  readonly code: number;
  readonly reason: string;
}

export class Client {
  readonly webSocket: WebSocket;
  readonly #closed: Promise<Closed>;
  readonly #received: string[] = [];
  readonly #waiting: PromiseWithResolvers<string>[] = [];
  #ending: Error | undefined;

  constructor(url: string, { protocol, ...options }: UpgradeOptions = {}) {
    this.webSocket = new WebSocket(url, protocol === undefined ? [] : [protocol], options);
    this.webSocket.on("message", (data) => {
      assert.ok(Buffer.isBuffer(data));
      const text = data.toString();
      const waiting = this.#waiting.shift();
      if (waiting === undefined) this.#received.push(text);
      else waiting.resolve(text);
    });
    this.webSocket.on("error", () => undefined);
    this.#closed = new Promise((resolve) => {
      this.webSocket.on("close", (code, buffer) => {
        const reason = buffer.toString();
        this.#ending = new Error(`closed with ${code} ${JSON.stringify(reason)} instead of a message`);
        for (const waiting of this.#waiting) waiting.reject(this.#ending);
        resolve({ code, reason });
      });
    });
  }

  /** Resolves when the connection has ended, which must be soon. */
  get closed(): Promise<Closed> {
    return due(this.#closed, "the end of the connection");
  }

  send(value: unknown): void {
    this.webSocket.send(JSON.stringify(value));
  }

  /** The next text that the server sends, or has sent. */
  next(): Promise<string> {
    const text = this.#received.shift();
    if (text !== undefined) return Promise.resolve(text);
    if (this.#ending !== undefined) return Promise.reject(this.#ending);
    const waiting = Promise.withResolvers<string>();
    this.#waiting.push(waiting);
    return due(waiting.promise, "a message");
  }

  /** Takes the texts that have come so far. */
  takeAll(): readonly string[] {
    return this.#received.splice(0);
  }

  /** The next value that the server sends, or has sent. */
  async nextValue(): Promise<unknown> {
    return JSON.parse(await this.next());
  }

  /** The next value that anybody published. */
  async nextMessage(): Promise<unknown> {
    const value = await this.nextValue();
    assert.ok(typeof value === "object" && value !== null && "message" in value, JSON.stringify(value));
    return value.message;
  }

  /** Resolves when the server has read everything that was sent so far. */
  async flushed(): Promise<void> {
    const pong = once(this.webSocket, "pong");
    this.webSocket.ping();
    await due(pong, "a pong");
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

export interface Greeting extends ResumePoint {
  readonly connection: "ok";
  /** In seconds. */
  readonly heartbeat: number;
}

export function isGreeting(value: unknown): value is Greeting {
  return typeof value === "object" && value !== null && "connection" in value;
}

export function isGap(value: unknown): value is { readonly gap: Gap } {
  return typeof value === "object" && value !== null && "gap" in value;
}

/** A client of the dialect `resume.v1`, before its greeting. */
export function resuming(url: string, point?: ResumePoint): Client {
  const address = new URL(url);
  if (point !== undefined) {
    address.searchParams.set("epoch", point.epoch);
    address.searchParams.set("offset", String(point.offset));
  }
  const client = new Client(address.href, { protocol: RESUME_SUBPROTOCOL });
  afterwards(() => {
    client.webSocket.terminate();
  });
  return client;
}

/** The same, behind its greeting. */
export async function connectResuming(
  url: string,
  point?: ResumePoint,
): Promise<{ readonly client: Client; readonly greeting: Greeting }> {
  const client = resuming(url, point);
  const greeting = await client.nextValue();
  assert.ok(isGreeting(greeting), JSON.stringify(greeting));
  return { client, greeting };
}

interface Refused {
  readonly status: number | undefined;
  readonly retryAfter: string | undefined;
}

/** How an upgrade that is not granted is answered. */
export async function refusal(url: string, options?: ClientOptions): Promise<Refused> {
  const webSocket = new WebSocket(url, options);
  webSocket.on("error", () => undefined);
  const refused = new Promise<Refused>((resolve, reject) => {
    webSocket.on("open", () => {
      webSocket.terminate();
      reject(new Error(`${url} granted the upgrade`));
    });
    webSocket.on("unexpected-response", (request, response) => {
      request.destroy();
      resolve({ status: response.statusCode, retryAfter: response.headers["retry-after"] });
    });
  });
  return due(refused, `an answer to the upgrade at ${url}`);
}

/** A WebSocket client that does what it is told to and nothing by itself: no pong, no closing handshake. */
export interface RawClient {
  readonly socket: Socket;
  /** What came after the handshake's answer. */
  received(): Buffer;
  /** Resolves when `text` has come. */
  seen(text: string | Buffer): Promise<void>;
}

/** An upgrade request, as text. */
export function upgradeRequest(target = "/wss", headers: readonly string[] = []): string {
  return [
    `GET ${target} HTTP/1.1`,
    "Host: 127.0.0.1",
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
    ...headers,
    "\r\n",
  ].join("\r\n");
}

/** What makes an upgrade request one for the dialect `resume.v1`. */
export const RESUMING = [`Sec-WebSocket-Protocol: ${RESUME_SUBPROTOCOL}`] as const;

/** A socket that may be reset at any time, gone after the test. */
export function openSocket(port: number): Socket {
  const socket = connectSocket(port, "127.0.0.1");
  afterwards(() => socket.destroy());
  socket.on("error", () => undefined);
  return socket;
}

/** The server's end of the next connection, for what its client cannot see. */
export function nextServerSocket(): Promise<Socket> {
  const accepted = Promise.withResolvers<Socket>();
  const onSocket = (message: unknown): void => {
    // What Node publishes there.
    accepted.resolve((message as { readonly socket: Socket }).socket);
  };
  subscribe("net.server.socket", onSocket);
  afterwards(() => unsubscribe("net.server.socket", onSocket));
  return due(accepted.promise, "a connection at the server");
}

/** @param request what is written first; it must be an upgrade that is granted. */
export async function connectRaw(
  port: number,
  request: string | Buffer = upgradeRequest(),
): Promise<RawClient> {
  const socket = openSocket(port);
  socket.write(request);
  const chunks: Buffer[] = [];
  let bytes = Buffer.alloc(0);
  socket.on("data", (chunk) => chunks.push(chunk));
  const all = (): Buffer => {
    bytes = Buffer.concat([bytes, ...chunks.splice(0)]);
    return bytes;
  };
  const client: RawClient = {
    socket,
    received: () => all().subarray(bytes.indexOf("\r\n\r\n") + 4),
    async seen(text) {
      const arrived = async (): Promise<void> => {
        while (!all().includes(text)) await once(socket, "data");
      };
      await due(arrived(), () => `${quote(Buffer.from(text))} behind ${quote(all())}`);
    },
  };
  await client.seen('{"connection":"ok"');
  return client;
}

/** The last bytes, as text. */
function quote(bytes: Buffer): string {
  return JSON.stringify(bytes.toString("latin1", Math.max(0, bytes.length - 200)));
}

/** A frame as a client sends it: masked. */
export function clientFrame(opcode: number, payload: Uint8Array | string, mask = Buffer.alloc(4)): Buffer {
  const bytes = Buffer.from(payload);
  const start = headerLength(bytes.length) + mask.length;
  const frame = Buffer.alloc(start + bytes.length);
  // Any opcode may be written in tests.
  mask.copy(frame, writeHeader(frame, 0, opcode as Opcode, bytes.length));
  frame.writeUInt8((frame[1] ?? 0) | 0x80, 1);
  for (const [n, byte] of bytes.entries()) frame[start + n] = byte ^ (mask[n % 4] ?? 0);
  return frame;
}

/** What the payload of a Close frame begins with. */
export function closeFrameStart(code: number): Buffer {
  return Buffer.from([code >> 8, code & 0xff]);
}

/** What comes back for bytes written as they are, until the server hangs up. */
export async function exchange(port: number, request: string): Promise<string> {
  const socket = openSocket(port);
  let answer = "";
  socket.setEncoding("latin1").on("data", (text: string) => (answer += text));
  socket.write(request, "latin1");
  await due(
    once(socket, "close"),
    () => `the server's end of the connection behind ${JSON.stringify(answer)}`,
  );
  return answer;
}

/** The rows of the table in PROTOCOL.md below a heading, without its head, by cells. */
export function protocolTable(heading: string): string[][] {
  const [, section] = PROTOCOL.split(new RegExp(`^## ${heading}$`, "m"));
  assert.ok(section !== undefined, `PROTOCOL.md has no section ${heading}`);
  const lines = section.split("\n");
  const start = lines.findIndex((line) => line.startsWith("|"));
  const end = lines.findIndex((line, n) => n > start && !line.startsWith("|"));
  return lines.slice(start + 2, end).map((line) =>
    line
      .slice(1, -1)
      .split("|")
      .map((cell) => cell.trim().replaceAll("`", "")),
  );
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

  const ended = once(child, "close").then(([code]: unknown[]) => ({
    code: typeof code === "number" ? code : null,
    output: lines.join("\n"),
    errors,
  }));
  const firstLine = async (wanted: (line: string) => boolean): Promise<string> => {
    for (let isOver = false; ;) {
      const found = lines.find(wanted);
      if (found !== undefined) return found;
      assert.ok(!isOver, `the process ended without the line; it printed:\n${lines.join("\n")}\n${errors}`);
      isOver = await Promise.race([once(reader, "line").then(() => false), ended.then(() => true)]);
    }
  };

  return {
    // A process without one could not be started; its `error` event says why.
    pid: child.pid ?? 0,
    line: (wanted) =>
      due(
        firstLine(wanted),
        () => `a line for which ${wanted.toString()} in:\n${lines.join("\n")}`,
        START_MS,
      ),
    kill(signal) {
      child.kill(signal);
    },
    ended,
  };
}

/** The server as a process of its own, on a port of the system's choice. */
export async function runServer(env: Record<string, string> = {}): Promise<TestProcess & { port: number }> {
  const child = run(MAIN, [], { HOST: "127.0.0.1", PORT: "0", WEBSOCKET_METRICS_PORT: "0", ...env });
  const line = await child.line((text) => text.includes('"msg":"listening"'));
  const { port }: { port?: unknown } = JSON.parse(line) as object;
  assert.ok(typeof port === "number");
  return { ...child, port };
}

/** Bytes of JavaScript values and buffers that are still reachable. */
export function memoryInUse(): number {
  setFlagsFromString("--expose-gc");
  const collectGarbage = runInNewContext("gc") as () => void;
  collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** For memory in use, in bytes: buffers are freed behind the collector, which a busy machine lets wait. */
export async function growsByLessThan(bytes: number, since: number): Promise<void> {
  let grown = Infinity;
  const isSmall = (): boolean => (grown = memoryInUse() - since) < bytes;
  await waitUntil(isSmall, { everyMs: 100 }).catch(() => {
    assert.fail(`${Math.round(grown / 2 ** 20)} MiB, and must be below ${Math.round(bytes / 2 ** 20)}`);
  });
}

/** The library's own decoder, which its types leave out. */
interface Receiver {
  on(event: "message", listener: (data: Buffer, isBinary: boolean) => void): void;
  write(chunk: Buffer): void;
}
const { Receiver } = ws as unknown as { Receiver: new (options: { isServer: boolean }) => Receiver };

/** The text messages in a server's stream of frames, as a client of the library reads them. */
export function textsOf(stream: Buffer): string[] {
  const texts: string[] = [];
  const receiver = new Receiver({ isServer: false });
  receiver.on("message", (data, isBinary) => {
    assert.equal(isBinary, false);
    texts.push(data.toString());
  });
  receiver.write(stream);
  return texts;
}
