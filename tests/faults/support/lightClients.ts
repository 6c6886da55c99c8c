/** A process of many light `resume.v1` clients. It executes the orders of its parent and answers each with a report. */
import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";

import { WebSocket } from "ws";

import type { Gap, Position } from "../../../client/src/index.ts";
import { atRate, type GroupOptions, type Load } from "./clientGroup.ts";
import { type Acknowledged, DeliveryRecord, type Message, Reader, type Report } from "./deliveryRecord.ts";

export type Order =
  | ({ readonly do: "open" } & GroupOptions)
  | ({ readonly do: "publish" } & Load)
  | { readonly do: "settle" }
  | ({ readonly do: "reach" } & Position)
  | { readonly do: "report" };

/** Upper bound of the first random wait; it doubles with each failure (full jitter). */
const BACKOFF_BASE_MS = 200;
const BACKOFF_CAP_MS = 2000;

/** Pause after the error `unavailable`. */
const UNAVAILABLE_PAUSE_MS = 500;
/** A connection that is silent for two heartbeats and this time is dead. */
const SILENCE_SLACK_MS = 500;
const SILENCE_CHECK_MS = 250;
/** Long enough that a group of publishes becomes one write for each reader. */
const PUBLISH_INTERVAL_MS = 100;
/** Unacknowledged messages at which a publisher pauses. */
const MAX_PENDING = 100;
const POLL_MS = 20;

const record = new DeliveryRecord();
const closes: Record<number, number> = {};
const clients: LightClient[] = [];
const acknowledged: Acknowledged[] = [];

type ServerFrame =
  | ({ readonly connection: "ok"; readonly heartbeat: number } & Position)
  | { readonly message: Message; readonly offset: number }
  | ({ readonly ack: string } & Position)
  | { readonly heartbeat: number }
  | { readonly gap: Gap }
  | { readonly error: { readonly code: string; readonly id?: string } };

class LightClient {
  readonly #url: string;
  readonly #handshakeTimeout: number;
  readonly #reader = new Reader(record);
  /** Unacknowledged publishes by id. */
  readonly #pending = new Map<string, string>();
  #webSocket: WebSocket | undefined;
  #epoch: string | undefined;
  #failures = 0;
  #activeAt = 0;
  #silenceMs = Infinity;

  constructor(url: string, handshakeTimeout: number) {
    this.#url = url;
    this.#handshakeTimeout = handshakeTimeout;
    this.#connect();
  }

  get pending(): number {
    return this.#pending.size;
  }

  get isGreeted(): boolean {
    return this.#reader.position !== undefined;
  }

  isAt(end: Position): boolean {
    return this.#reader.isAt(end);
  }

  publish(id: string, padding: string): void {
    const text = JSON.stringify({ publish: { id, padding }, id });
    this.#pending.set(id, text);
    if (this.#epoch !== undefined) this.#webSocket?.send(text);
  }

  /** Ends a connection that has been silent for too long. */
  checkSilence(now: number): void {
    if (now - this.#activeAt > this.#silenceMs) this.#webSocket?.terminate();
  }

  #connect(): void {
    const url = new URL(this.#url);
    const { position } = this.#reader;
    if (position !== undefined) {
      url.searchParams.set("epoch", position.epoch);
      url.searchParams.set("offset", String(position.offset));
    }
    const webSocket = new WebSocket(url, "resume.v1", {
      perMessageDeflate: false,
      skipUTF8Validation: true,
      handshakeTimeout: this.#handshakeTimeout,
      // The certificate of the local stack is self-signed.
      rejectUnauthorized: false,
    });
    this.#webSocket = webSocket;
    webSocket.on("message", (data) => {
      this.#activeAt = performance.now();
      assert.ok(Buffer.isBuffer(data));
      if (!this.#reader.takeKnown(data)) this.#take(data);
    });
    webSocket.on("ping", () => {
      this.#activeAt = performance.now();
    });
    webSocket.on("error", () => undefined);
    webSocket.on("close", (code) => {
      closes[code] = (closes[code] ?? 0) + 1;
      this.#epoch = undefined;
      this.#silenceMs = Infinity;
      const maxMs = Math.min(BACKOFF_CAP_MS, BACKOFF_BASE_MS * 2 ** this.#failures);
      this.#failures += 1;
      setTimeout(() => {
        this.#connect();
      }, Math.random() * maxMs);
    });
  }

  #take(data: Buffer): void {
    // The server sends only these frames.
    const frame = JSON.parse(data.toString()) as ServerFrame;
    if ("message" in frame) this.#reader.message(frame.message, frame.offset, Buffer.from(data));
    else if ("connection" in frame) this.#greet(frame);
    else if ("gap" in frame) this.#reader.gap(frame.gap);
    else if ("ack" in frame) this.#acknowledge(frame);
    else if ("heartbeat" in frame) return;
    else if (frame.error.code === "unavailable") this.#sendLater(frame.error.id);
    else record.contradiction(data.toString());
  }

  #greet(greeting: Position & { readonly heartbeat: number }): void {
    this.#failures = 0;
    this.#silenceMs = 2 * greeting.heartbeat * 1000 + SILENCE_SLACK_MS;
    this.#epoch = greeting.epoch;
    this.#reader.greeted(greeting);
    for (const text of this.#pending.values()) this.#webSocket?.send(text);
  }

  #acknowledge({ ack: id, epoch, offset }: { readonly ack: string } & Position): void {
    // A publish that was sent twice has two answers. The log shows that they are equal.
    this.#pending.delete(id);
    acknowledged.push({ id, epoch, offset });
  }

  #sendLater(id = ""): void {
    const webSocket = this.#webSocket;
    setTimeout(() => {
      const text = this.#pending.get(id);
      if (text !== undefined && webSocket?.readyState === WebSocket.OPEN) webSocket.send(text);
    }, UNAVAILABLE_PAUSE_MS);
  }
}

let publishers: readonly LightClient[] = [];
let name = "";
let publishing: NodeJS.Timeout | undefined;

async function execute(order: Order): Promise<void> {
  switch (order.do) {
    case "open":
      ({ name } = order);
      for (let n = 0; n < order.readers; n++) clients.push(new LightClient(order.url, order.timeoutMs));
      publishers = clients.slice(0, order.publishers);
      await all(({ isGreeted }) => isGreeted);
      break;
    case "publish":
      publish(order);
      break;
    case "settle":
      clearInterval(publishing);
      await all(({ pending }) => pending === 0);
      break;
    case "reach":
      await all((client) => client.isAt(order));
      break;
    case "report":
  }
}

function publish({ messagesPerSecond, paddingBytes }: Load): void {
  const padding = "x".repeat(paddingBytes);
  publishing = atRate(messagesPerSecond, PUBLISH_INTERVAL_MS, (count) => {
    const publisher = publishers[count % publishers.length];
    if (publisher !== undefined && publisher.pending < MAX_PENDING) {
      publisher.publish(`${name}-${count + 1}`, padding);
    }
  });
}

async function all(holds: (client: LightClient) => boolean): Promise<void> {
  while (!clients.every(holds)) await delay(POLL_MS);
}

setInterval(() => {
  const now = performance.now();
  for (const client of clients) client.checkSilence(now);
}, SILENCE_CHECK_MS);

// Without a parent, the process ends.
process.on("disconnect", () => {
  process.exit();
});
process.on("message", (order: Order) => {
  void execute(order).then(() => {
    const report: Report = { counts: record.counts, log: record.log, acknowledged, closes };
    process.send?.(report);
  });
});
