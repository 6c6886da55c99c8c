/** A server that says what a test tells it to, on real sockets, and a clock that goes when a test lets it. */
import assert from "node:assert/strict";
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";

import { WebSocketServer } from "ws";
import type { WebSocket } from "ws";

import { connect } from "../../client/src/index.ts";
import { due } from "../support/waitUntil.ts";
import type { Channel, Clock, ConnectOptions, Page, PageEvent, State } from "../../client/src/index.ts";

const started: (() => unknown)[] = [];

export function afterwards(end: () => unknown): void {
  started.push(end);
}

/** To be called by every test file's `afterEach`. */
export async function tearDown(): Promise<void> {
  for (const end of started.splice(0).reverse()) await end();
}

/** Things that come, for whoever waits for them in order. */
class Inbox<Item> {
  readonly #items: Item[] = [];
  readonly #waiting: ((item: Item) => void)[] = [];

  put(item: Item): void {
    const resolve = this.#waiting.shift();
    if (resolve === undefined) this.#items.push(item);
    else resolve(item);
  }

  take(): Promise<Item> {
    const [item] = this.#items.splice(0, 1);
    return item === undefined ? new Promise((resolve) => this.#waiting.push(resolve)) : Promise.resolve(item);
  }

  get waiting(): number {
    return this.#items.length;
  }
}

export interface PublishFrame {
  readonly publish: unknown;
  readonly id: string;
}

/** The server's end of one connection. */
export class Accepted {
  readonly address: URL;
  readonly protocols: readonly string[];
  readonly closed: Promise<number>;
  readonly #webSocket: WebSocket;
  readonly #inbox = new Inbox<PublishFrame>();

  constructor(webSocket: WebSocket, request: IncomingMessage) {
    this.#webSocket = webSocket;
    this.address = new URL(request.url ?? "", "ws://any");
    this.protocols = (request.headers["sec-websocket-protocol"] ?? "").split(",").map((text) => text.trim());
    this.closed = once(webSocket, "close").then(([code]) => Number(code));
    webSocket.on("message", (data) => {
      assert.ok(Buffer.isBuffer(data));
      this.#inbox.put(JSON.parse(data.toString()) as PublishFrame);
    });
  }

  /** What `?epoch=…&offset=…` says. */
  get resumes(): { readonly epoch: string | null; readonly offset: string | null } {
    const { searchParams } = this.address;
    return { epoch: searchParams.get("epoch"), offset: searchParams.get("offset") };
  }

  greet(epoch = "e", offset = 0): this {
    return this.say({ connection: "ok", epoch, offset, heartbeat: 30 });
  }

  say(...frames: readonly unknown[]): this {
    for (const frame of frames) this.#webSocket.send(JSON.stringify(frame));
    return this;
  }

  sayText(data: string | Buffer): this {
    this.#webSocket.send(data);
    return this;
  }

  deliver(...offsets: readonly number[]): this {
    return this.say(...offsets.map((offset) => ({ message: `message ${offset}`, offset })));
  }

  /** @param epoch older servers do not tell it. */
  ack({ id }: PublishFrame, offset: number, epoch?: string): this {
    return this.say({ ack: id, epoch, offset });
  }

  refuse({ id }: PublishFrame, code: string): this {
    return this.say({ error: { code, message: "No.", id } });
  }

  /** The next frame that the client sends, or has sent. */
  next(): Promise<PublishFrame> {
    return due(this.#inbox.take(), "a frame that the client sends");
  }

  async take(count: number): Promise<readonly PublishFrame[]> {
    const frames: PublishFrame[] = [];
    while (frames.length < count) frames.push(await this.next());
    return frames;
  }

  /** Frames that the client has sent until now, and nobody has taken. */
  async untaken(): Promise<number> {
    // The pong comes behind them.
    this.#webSocket.ping();
    await once(this.#webSocket, "pong");
    return this.#inbox.waiting;
  }

  /** Reads nothing any more, and so answers no Close frame. */
  deafen(): void {
    this.#webSocket.pause();
  }

  close(code: number, reason = ""): void {
    this.#webSocket.close(code, reason);
  }

  terminate(): void {
    this.#webSocket.terminate();
  }
}

export interface ScriptedServer {
  readonly url: string;
  /** The next connection that comes, or has come. */
  accept(): Promise<Accepted>;
}

export async function startServer(
  onConnection?: (accepted: Accepted) => void,
  selects: false | "resume.v1" = "resume.v1",
): Promise<ScriptedServer> {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0, handleProtocols: () => selects });
  const inbox = new Inbox<Accepted>();
  server.on("connection", (webSocket, request) => {
    const accepted = new Accepted(webSocket, request);
    if (onConnection === undefined) inbox.put(accepted);
    else onConnection(accepted);
  });
  await once(server, "listening");
  afterwards(async () => {
    for (const client of server.clients) client.terminate();
    server.close();
    await once(server, "close");
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `ws://127.0.0.1:${port}/wss/room`,
    accept: () => due(inbox.take(), "a connection of the client"),
  };
}

/** Stands still until it is told to go on. */
export class ManualClock implements Clock {
  #now = 1_000_000;
  /** Of the date from the monotonic time. */
  #offset = 1_700_000_000_000;
  #timers: { readonly at: number; readonly action: () => void }[] = [];

  readonly now = (): number => this.#now;

  readonly date = (): number => this.#now + this.#offset;

  readonly after = (milliseconds: number, action: () => void): (() => void) => {
    const timer = { at: this.#now + milliseconds, action };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  };

  /** Runs what is due within that time, in order. */
  advance(milliseconds: number): void {
    const until = this.#now + milliseconds;
    for (;;) {
      const [next] = this.#timers.filter(({ at }) => at <= until).sort((one, other) => one.at - other.at);
      if (next === undefined) break;
      this.#timers = this.#timers.filter((other) => other !== next);
      this.#now = Math.max(this.#now, next.at);
      next.action();
    }
    this.#now = until;
  }

  /** The machine sleeps: the date goes on, and neither timers nor the monotonic clock do. */
  sleep(milliseconds: number): void {
    this.#offset += milliseconds;
  }

  /** Somebody sets the date. */
  setBack(milliseconds: number): void {
    this.#offset -= milliseconds;
  }

  /** A clock that is not monotonic after all goes back. */
  goBack(milliseconds: number): void {
    this.#now -= milliseconds;
    this.#timers = this.#timers.map(({ at, action }) => ({ at: at - milliseconds, action }));
  }

  get timers(): number {
    return this.#timers.length;
  }
}

/** A page whose events a test dispatches. */
export class FakePage implements Page {
  readonly document = { visibilityState: "visible" };
  readonly #listeners = new Set<(event: PageEvent) => void>();

  readonly addEventListener = (type: string, listener: (event: PageEvent) => void): void => {
    if (type === "visibilitychange") this.#listeners.add(listener);
  };

  readonly removeEventListener = (_type: string, listener: (event: PageEvent) => void): void => {
    this.#listeners.delete(listener);
  };

  dispatch(type: string, persisted = false): void {
    for (const listener of this.#listeners) listener({ type, persisted });
  }

  get listeners(): number {
    return this.#listeners.size;
  }
}

/** A channel whose time a test holds, and whose jitter is the longest. */
export interface Opened<Message> {
  readonly channel: Channel<Message>;
  readonly clock: ManualClock;
  readonly page: FakePage;
}

/** Less than one by too little to be seen in whole milliseconds. */
export const ALMOST_ONE = 1 - Number.EPSILON;

export function open<Message = unknown>(url: string, options: ConnectOptions = {}): Opened<Message> {
  const clock = new ManualClock();
  const page = new FakePage();
  const channel = connect<Message>(url, { clock, page, random: () => ALMOST_ONE, ...options });
  afterwards(() => {
    void channel.close();
    clock.advance(1e9);
  });
  return { channel, clock, page };
}

/** A channel of whatever messages. */
interface Watched {
  readonly state: State;
  readonly on: (type: "state", listener: (state: State) => void) => () => void;
}

/**
 * Resolves with the next state of that name, or the present one.
 * @param forMs time that the client may take.
 */
export function becomes<Name extends State["name"]>(
  channel: Watched,
  name: Name,
  forMs?: number,
): Promise<State & { readonly name: Name }> {
  const isIt = (state: State): state is State & { readonly name: Name } => state.name === name;
  const { state } = channel;
  if (isIt(state)) return Promise.resolve(state);
  const becoming = new Promise<State & { readonly name: Name }>((resolve) => {
    const stop = channel.on("state", (next) => {
      if (!isIt(next)) return;
      stop();
      resolve(next);
    });
  });
  return due(becoming, () => `${name} as the state of the channel, which is ${channel.state.name}`, forMs);
}

/** Lets the wait before the next attempt go by, and returns it in milliseconds. */
export async function retry({
  channel,
  clock,
}: {
  readonly channel: Watched;
  readonly clock: ManualClock;
}): Promise<number> {
  const { delay } = await becomes(channel, "waiting");
  clock.advance(delay);
  return delay;
}
