/** WebSocket clients that use the library `ws`. */
import assert from "node:assert/strict";
import { once } from "node:events";

import { WebSocket } from "ws";
import type { ClientOptions } from "ws";

import { due } from "../../support/waitUntil.ts";
import { afterwards } from "./teardown.ts";

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

  /** Returns the next text from the server. */
  next(): Promise<string> {
    const text = this.#received.shift();
    if (text !== undefined) return Promise.resolve(text);
    if (this.#ending !== undefined) return Promise.reject(this.#ending);
    const waiting = Promise.withResolvers<string>();
    this.#waiting.push(waiting);
    return due(waiting.promise, "a message");
  }

  /** Takes the texts that have arrived so far. */
  takeAll(): readonly string[] {
    return this.#received.splice(0);
  }

  /** Returns the next value from the server. */
  async nextValue(): Promise<unknown> {
    return JSON.parse(await this.next());
  }

  /** Returns the next published value. */
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

/** Connects a client in the plain dialect, and reads its greeting. */
export async function connect(url: string, options?: ClientOptions): Promise<Client> {
  const client = new Client(url, options);
  afterwards(() => {
    client.webSocket.terminate();
  });
  assert.equal(await client.next(), '{"connection":"ok"}');
  return client;
}

interface Refused {
  readonly status: number | undefined;
  readonly retryAfter: string | undefined;
}

/** Returns the answer to a refused upgrade. */
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
