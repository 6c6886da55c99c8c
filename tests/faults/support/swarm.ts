/** A process of many light clients of `resume.v1`, which does what its parent says. */
import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";

import { WebSocket } from "ws";

import type { CrowdOptions, Load } from "./crowd.ts";
import {
  type Acknowledged,
  type Gap,
  Ledger,
  type Message,
  type Position,
  Reader,
  type Report,
} from "./ledger.ts";
import { atRate } from "./pace.ts";

/** What the parent asks for, and the answer to it. */
export type Order =
  | ({ readonly do: "open" } & CrowdOptions)
  | ({ readonly do: "publish" } & Load)
  | { readonly do: "settle" }
  | ({ readonly do: "reach" } & Position)
  | { readonly do: "report" };
export type Answer = Report;

/** The wait after the n-th failure in a row is at random up to the double of the one before: full jitter. */
const FIRST_BACKOFF_MS = 200;
const LONGEST_BACKOFF_MS = 2000;

const HANDSHAKE_TIMEOUT_MS = 5000;
/** Pause after `unavailable`. */
const UNAVAILABLE_PAUSE_MS = 500;
/** A server that has not said anything for two heartbeats and this is taken for gone. */
const SILENCE_SLACK_MS = 500;
const LOOK_INTERVAL_MS = 250;
/** Publishes come in groups, so that a group is one write for each reader. */
const PUBLISH_INTERVAL_MS = 100;
/** A publisher waits while it has that many without an answer. */
const MAX_PENDING = 100;
const POLL_MS = 20;

const ledger = new Ledger();
const closes: Record<number, number> = {};
const clients: LightClient[] = [];
const acknowledged: Acknowledged[] = [];

type ServerFrame =
  | ({ readonly connection: "ok"; readonly heartbeat: number } & Position)
  | { readonly message: Message; readonly offset: number }
  | ({ readonly ack: string } & Position)
  /** In seconds; the ping that comes along says the same. */
  | { readonly heartbeat: number }
  | { readonly gap: Gap }
  | { readonly error: { readonly code: string; readonly id?: string } };

class LightClient {
  readonly #url: string;
  readonly #reader = new Reader(ledger);
  /** What is not acknowledged, by id. */
  readonly #pending = new Map<string, string>();
  #webSocket: WebSocket | undefined;
  #epoch: string | undefined;
  #failures = 0;
  #heardAt = 0;
  #silenceMs = Infinity;

  constructor(url: string) {
    this.#url = url;
    this.#connect();
  }

  get pending(): number {
    return this.#pending.size;
  }

  get greeted(): boolean {
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

  /** Gives a connection up that has been silent for too long. */
  look(now: number): void {
    if (now - this.#heardAt > this.#silenceMs) this.#webSocket?.terminate();
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
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    });
    this.#webSocket = webSocket;
    webSocket.on("message", (data) => {
      this.#heardAt = performance.now();
      assert.ok(Buffer.isBuffer(data));
      if (!this.#reader.takes(data)) this.#take(data);
    });
    webSocket.on("ping", () => {
      this.#heardAt = performance.now();
    });
    webSocket.on("error", () => undefined);
    webSocket.on("close", (code) => {
      closes[code] = (closes[code] ?? 0) + 1;
      this.#epoch = undefined;
      this.#silenceMs = Infinity;
      const longest = Math.min(LONGEST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** this.#failures);
      this.#failures += 1;
      setTimeout(() => {
        this.#connect();
      }, Math.random() * longest);
    });
  }

  #take(data: Buffer): void {
    // By the protocol.
    const frame = JSON.parse(data.toString()) as ServerFrame;
    if ("message" in frame) this.#reader.message(frame.message, frame.offset, Buffer.from(data));
    else if ("connection" in frame) this.#greeted(frame);
    else if ("gap" in frame) this.#reader.gap(frame.gap);
    else if ("ack" in frame) this.#acknowledged(frame);
    else if ("heartbeat" in frame) return;
    else if (frame.error.code === "unavailable") this.#sendAgainLater(frame.error.id);
    else ledger.wrong(data.toString());
  }

  #greeted(greeting: Position & { readonly heartbeat: number }): void {
    this.#failures = 0;
    this.#silenceMs = 2 * greeting.heartbeat * 1000 + SILENCE_SLACK_MS;
    this.#epoch = greeting.epoch;
    this.#reader.greeted(greeting);
    for (const text of this.#pending.values()) this.#webSocket?.send(text);
  }

  #acknowledged({ ack: id, epoch, offset }: { readonly ack: string } & Position): void {
    // A second answer, to a publish that was sent twice, is no news; that it is the same, the log shows.
    this.#pending.delete(id);
    acknowledged.push({ id, epoch, offset });
  }

  #sendAgainLater(id = ""): void {
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

async function obey(order: Order): Promise<void> {
  switch (order.do) {
    case "open":
      ({ name } = order);
      for (let n = 0; n < order.readers; n++) clients.push(new LightClient(order.url));
      publishers = clients.slice(0, order.publishers);
      await all(({ greeted }) => greeted);
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
  for (const client of clients) client.look(now);
}, LOOK_INTERVAL_MS);

// A parent that is gone needs no clients.
process.on("disconnect", () => {
  process.exit();
});
process.on("message", (order: Order) => {
  void obey(order).then(() => {
    const answer: Answer = { findings: ledger.findings, log: ledger.log, acknowledged, closes };
    process.send?.(answer);
  });
});
