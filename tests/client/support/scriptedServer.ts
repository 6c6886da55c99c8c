/** A WebSocket server on a real port that sends what a test scripts. */
import assert from "node:assert/strict";
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";

import { WebSocketServer } from "ws";
import type { WebSocket } from "ws";

import { due } from "../../support/waitUntil.ts";
import { afterwards } from "../../app/support/teardown.ts";

/** Items that are taken in order; a taker may wait for the next one. */
class Queue<Item> {
  readonly #items: Item[] = [];
  readonly #takers: ((item: Item) => void)[] = [];

  put(item: Item): void {
    const resolve = this.#takers.shift();
    if (resolve === undefined) this.#items.push(item);
    else resolve(item);
  }

  take(): Promise<Item> {
    const [item] = this.#items.splice(0, 1);
    return item === undefined ? new Promise((resolve) => this.#takers.push(resolve)) : Promise.resolve(item);
  }

  get size(): number {
    return this.#items.length;
  }
}

export interface PublishFrame {
  readonly publish: unknown;
  readonly id: string;
}

/** The server's end of one connection. */
export class ServerConnection {
  readonly url: URL;
  readonly protocols: readonly string[];
  /** Resolves with the client's close code. */
  readonly closed: Promise<number>;
  readonly #webSocket: WebSocket;
  readonly #frames = new Queue<PublishFrame>();

  constructor(webSocket: WebSocket, request: IncomingMessage) {
    this.#webSocket = webSocket;
    this.url = new URL(request.url ?? "", "ws://any");
    this.protocols = (request.headers["sec-websocket-protocol"] ?? "").split(",").map((text) => text.trim());
    this.closed = once(webSocket, "close").then(([code]) => Number(code));
    webSocket.on("message", (data) => {
      assert.ok(Buffer.isBuffer(data));
      this.#frames.put(JSON.parse(data.toString()) as PublishFrame);
    });
  }

  /** The position in the URL's query. */
  get resumePoint(): { readonly epoch: string | null; readonly offset: string | null } {
    const { searchParams } = this.url;
    return { epoch: searchParams.get("epoch"), offset: searchParams.get("offset") };
  }

  greet(epoch = "e", offset = 0): this {
    return this.send({ connection: "ok", epoch, offset, heartbeat: 30 });
  }

  send(...frames: readonly unknown[]): this {
    for (const frame of frames) this.#webSocket.send(JSON.stringify(frame));
    return this;
  }

  sendRaw(data: string | Buffer): this {
    this.#webSocket.send(data);
    return this;
  }

  deliver(...offsets: readonly number[]): this {
    return this.send(...offsets.map((offset) => ({ message: `message ${offset}`, offset })));
  }

  /** @param epoch is absent from the acknowledgements of earlier servers. */
  ack({ id }: PublishFrame, offset: number, epoch?: string): this {
    return this.send({ ack: id, epoch, offset });
  }

  reject({ id }: PublishFrame, code: string): this {
    return this.send({ error: { code, message: "No.", id } });
  }

  nextFrame(): Promise<PublishFrame> {
    return due(this.takeFrame(), "a frame of the client");
  }

  /** Waits for the next frame without a limit, because there may be none. */
  takeFrame(): Promise<PublishFrame> {
    return this.#frames.take();
  }

  async nextFrames(count: number): Promise<readonly PublishFrame[]> {
    const frames: PublishFrame[] = [];
    while (frames.length < count) frames.push(await this.nextFrame());
    return frames;
  }

  /** Counts the frames that have arrived and that the test has not taken. */
  async countFrames(): Promise<number> {
    // The pong arrives after them.
    this.#webSocket.ping();
    await once(this.#webSocket, "pong");
    return this.#frames.size;
  }

  /** Stops reading, so that a Close frame gets no answer. */
  stopReading(): void {
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
  /** Returns the next connection. */
  accept(): Promise<ServerConnection>;
}

export async function startServer(
  onConnection?: (connection: ServerConnection) => void,
  subprotocol: false | "resume.v1" = "resume.v1",
): Promise<ScriptedServer> {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0, handleProtocols: () => subprotocol });
  const connections = new Queue<ServerConnection>();
  server.on("connection", (webSocket, request) => {
    const connection = new ServerConnection(webSocket, request);
    if (onConnection === undefined) connections.put(connection);
    else onConnection(connection);
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
    accept: () => due(connections.take(), "a connection of the client"),
  };
}
