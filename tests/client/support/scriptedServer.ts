/** A WebSocket server on a real port that sends what a test scripts. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { IncomingMessage } from "node:http";

import { WebSocketServer } from "ws";
import type { WebSocket } from "ws";

import { listen } from "../../app/support/listen.ts";
import { afterwards } from "../../app/support/teardown.ts";
import { Queue } from "./queue.ts";

export interface PublishFrame {
  readonly publish: unknown;
  readonly channel: string;
  readonly id: string;
}

export interface SubscribeFrame {
  readonly subscribe: string;
  readonly epoch?: string;
  readonly offset?: number;
  readonly last?: number;
}

export interface UnsubscribeFrame {
  readonly unsubscribe: string;
}

export type ClientFrame = PublishFrame | SubscribeFrame | UnsubscribeFrame;

/** The channel of the tests that need only one. */
export const ROOM = "room";

/** The server's end of one connection. */
export class ServerConnection {
  readonly url: URL;
  readonly protocols: readonly string[];
  /** Resolves with the client's close code. */
  readonly closed: Promise<number>;
  readonly #webSocket: WebSocket;
  readonly #publishes = new Queue<PublishFrame>("a publish of the client");
  readonly #requests = new Queue<SubscribeFrame | UnsubscribeFrame>("a subscribe of the client");

  constructor(webSocket: WebSocket, request: IncomingMessage) {
    this.#webSocket = webSocket;
    this.url = new URL(request.url ?? "", "ws://any");
    this.protocols = (request.headers["sec-websocket-protocol"] ?? "").split(",").map((text) => text.trim());
    this.closed = once(webSocket, "close").then(([code]) => Number(code));
    this.onFrame((frame) => {
      if ("publish" in frame) this.#publishes.put(frame);
      else this.#requests.put(frame);
    });
  }

  onFrame(handle: (frame: ClientFrame) => void): void {
    this.#webSocket.on("message", (data) => {
      assert.ok(Buffer.isBuffer(data));
      handle(JSON.parse(data.toString()) as ClientFrame);
    });
  }

  greet(
    keys: { readonly user?: string; readonly expiresIn?: number; readonly heartbeat?: number } = {},
  ): this {
    return this.send({ connection: "ok", heartbeat: 30, ...keys });
  }

  send(...frames: readonly unknown[]): this {
    for (const frame of frames) this.#webSocket.send(JSON.stringify(frame));
    return this;
  }

  sendRaw(data: string | Buffer): this {
    this.#webSocket.send(data);
    return this;
  }

  subscribed(epoch = "e", offset = 0, channel = ROOM): this {
    return this.send({ subscribed: channel, epoch, offset });
  }

  gap(epoch: string, from: number, to?: number): this {
    return this.send({ gap: { channel: ROOM, epoch, from, to } });
  }

  deliver(...offsets: readonly number[]): this {
    return this.deliverTo(ROOM, ...offsets);
  }

  deliverTo(channel: string, ...offsets: readonly number[]): this {
    return this.send(...offsets.map((offset) => ({ channel, offset, message: `message ${offset}` })));
  }

  ack({ id, channel }: PublishFrame, offset: number, keys: { readonly duplicate?: true } = {}): this {
    return this.send({ ack: id, channel, epoch: "e", offset, ...keys });
  }

  reject({ id, channel }: PublishFrame, code: string): this {
    return this.send({ error: { code, message: "No.", channel, id } });
  }

  rejectSubscribe(code: string, channel = ROOM): this {
    return this.send({ error: { code, message: "No.", channel } });
  }

  nextPublish(): Promise<PublishFrame> {
    return this.#publishes.take();
  }

  nextPublishes(count: number): Promise<readonly PublishFrame[]> {
    return this.#publishes.takeMany(count);
  }

  /** Returns the next subscribe or unsubscribe. */
  nextRequest(): Promise<SubscribeFrame | UnsubscribeFrame> {
    return this.#requests.take();
  }

  nextRequests(count: number): Promise<readonly (SubscribeFrame | UnsubscribeFrame)[]> {
    return this.#requests.takeMany(count);
  }

  /** Counts the frames that have arrived and that the test has not taken. */
  async countFrames(): Promise<number> {
    // The pong arrives after them.
    this.#webSocket.ping();
    await once(this.#webSocket, "pong");
    return this.#publishes.size + this.#requests.size;
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
  /** The number of connections that the test has not taken. */
  readonly waiting: number;
}

export async function startServer(
  onConnection?: (connection: ServerConnection) => void,
  subprotocol: false | "channels.v1" = "channels.v1",
): Promise<ScriptedServer> {
  const http = createServer();
  const server = new WebSocketServer({ server: http, handleProtocols: () => subprotocol });
  const connections = new Queue<ServerConnection>("a connection of the client");
  server.on("connection", (webSocket, request) => {
    (onConnection ?? connections.put)(new ServerConnection(webSocket, request));
  });
  const port = await listen(http);
  afterwards(() => {
    for (const client of server.clients) client.terminate();
  });
  return {
    url: `ws://127.0.0.1:${port}/wss`,
    accept: () => connections.take(),
    get waiting() {
      return connections.size;
    },
  };
}
