/** Resuming clients under random faults. Each must end with exactly the messages of the log, and receive every gap. */
import assert from "node:assert/strict";
import { setImmediate as nextTurn } from "node:timers/promises";

import fc from "fast-check";
import { WebSocket } from "ws";

import type { ResumePoint } from "../../../app/src/channel/cursor.ts";
import { CHANNELS_SUBPROTOCOL } from "../../../app/src/wire/messages.ts";
import type { Gap } from "../../../app/src/wire/messages.ts";
import { FaultyLog } from "../log/faultyLog.ts";
import type { AppendMode } from "../log/faultyLog.ts";
import { startServer } from "../support/server.ts";
import { tearDown } from "../support/teardown.ts";
import type { TestServer } from "../support/server.ts";

const CHANNEL = "/";
const CLIENTS = 3;
const SERVERS = 2;

const RETENTION = { retainedMessages: 10_000, retainedBytes: 4 * 1024 * 1024, retainedSeconds: 300 };

/** More than the log retains, and more than the buffers of both ends of a connection hold. */
const FLOOD_MESSAGES = 200;
const FLOOD_PAYLOAD = JSON.stringify("x".repeat(60_000));

/** Time after the last fault in which all clients must have received everything. */
const LEVEL_TIMEOUT_MS = 15_000;

type Step =
  | { readonly kind: "publish"; readonly client: number; readonly count: number }
  | { readonly kind: "connect"; readonly client: number; readonly server: number }
  | { readonly kind: "disconnect" | "pause" | "read"; readonly client: number }
  | { readonly kind: "hold" | "release" | "replace" | "overtake"; readonly server: number }
  | { readonly kind: "mode"; readonly mode: AppendMode }
  | { readonly kind: "restart" | "flood" }
  | { readonly kind: "wait"; readonly turns: number };

const client = fc.nat(CLIENTS - 1);
const server = fc.nat(SERVERS - 1);
const constant = <Kind extends string>(kind: Kind): fc.Arbitrary<Kind> => fc.constant(kind);

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ kind: constant("publish"), client, count: fc.integer({ min: 1, max: 8 }) }),
  },
  { weight: 8, arbitrary: fc.record({ kind: constant("connect"), client, server }) },
  { weight: 8, arbitrary: fc.record({ kind: constant("wait"), turns: fc.integer({ min: 1, max: 10 }) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom("disconnect", "pause", "read"), client }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom("hold", "release"), server }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom("replace", "overtake"), server }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: constant("mode"),
      mode: fc.constantFrom<AppendMode>("stores", "waits", "refuses", "forgets"),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom("restart", "flood") }) },
);

/** A client as PROTOCOL.md describes it. It compares every message with the log. */
class ModelClient {
  readonly gaps: Gap[] = [];
  /** Publishes without an acknowledgement. */
  readonly outbox = new Map<string, string>();
  readonly #name: number;
  readonly #payloads: FaultyLog["records"];
  #webSocket: WebSocket | undefined;
  #subscribed = false;
  #point: ResumePoint | undefined;
  /** Position before a `subscribed` that does not continue at it. A gap must follow. */
  #before: ResumePoint | undefined;
  #published = 0;
  #broken: unknown;

  constructor(name: number, payloads: FaultyLog["records"]) {
    this.#name = name;
    this.#payloads = payloads;
  }

  get point(): ResumePoint | undefined {
    return this.#point;
  }

  get connected(): boolean {
    return this.#webSocket !== undefined;
  }

  connect(url: string): void {
    this.disconnect();
    const webSocket = new WebSocket(url, CHANNELS_SUBPROTOCOL);
    this.#webSocket = webSocket;
    this.#subscribed = false;
    webSocket.on("error", () => undefined);
    webSocket.on("close", () => {
      if (this.#webSocket === webSocket) this.#webSocket = undefined;
    });
    webSocket.on("message", (data: Buffer) => {
      if (this.#webSocket !== webSocket) return;
      try {
        this.#receive(JSON.parse(data.toString()) as Received);
      } catch (error) {
        this.#broken ??= error;
      }
    });
  }

  disconnect(): void {
    this.#webSocket?.terminate();
    this.#webSocket = undefined;
    // The next connection repeats a gap that has not arrived.
    if (this.#before !== undefined) this.#point = this.#before;
    this.#before = undefined;
  }

  pause(): void {
    if (this.#subscribed) this.#webSocket?.pause();
  }

  read(): void {
    this.#webSocket?.resume();
  }

  publish(): void {
    const id = `${this.#name}-${(this.#published += 1)}`;
    this.outbox.set(id, id);
    this.#send(id);
  }

  publishAgain(): void {
    for (const id of this.outbox.keys()) this.#send(id);
  }

  /** @throws if it has received a wrong message. */
  check(): void {
    if (this.#broken !== undefined) throw this.#broken as Error;
  }

  #send(id: string): void {
    if (this.#subscribed && this.#webSocket?.readyState === WebSocket.OPEN) {
      this.#webSocket.send(JSON.stringify({ publish: id, channel: CHANNEL, id }));
    }
  }

  #receive(value: Received): void {
    if (value.gap !== undefined) {
      this.#receiveGap(value.gap);
      return;
    }
    assert.equal(this.#before, undefined, `instead of a gap: ${JSON.stringify(value)}`);
    if (value.connection !== undefined) {
      this.#webSocket?.send(JSON.stringify({ subscribe: CHANNEL, ...this.#point }));
    } else if (value.subscribed !== undefined) {
      const { epoch, offset } = value;
      const before = this.#point;
      this.#point = { epoch, offset };
      if (before !== undefined && (before.epoch !== epoch || before.offset !== offset)) this.#before = before;
      this.#subscribed = true;
      this.publishAgain();
    } else if (value.message !== undefined) {
      assert.ok(this.#point !== undefined);
      const { epoch, offset } = this.#point;
      assert.equal(value.offset, offset + 1);
      assert.equal(JSON.stringify(value.message), this.#payloads.get(epoch)?.[offset]);
      this.#point = { epoch, offset: offset + 1 };
    } else if (value.ack !== undefined) {
      assert.ok(this.outbox.delete(value.ack) || this.#published > 0);
    } else if (value.error !== undefined) {
      assert.equal(value.error.code, "unavailable");
      if (value.error.id === undefined) this.disconnect();
    } else assert.ok(value.heartbeat !== undefined, JSON.stringify(value));
  }

  /** A gap follows a `subscribed`, or is in the place of the missing messages. */
  #receiveGap({ epoch, from, to }: Gap): void {
    const before = this.#before ?? this.#point;
    assert.deepEqual({ epoch, from }, before && next(before));
    if (this.#before === undefined) {
      assert.ok(to !== undefined);
      this.#point = { epoch, offset: to };
    } else if (to !== undefined) assert.deepEqual(this.#point, { epoch, offset: to });
    this.gaps.push({ epoch, from, ...(to !== undefined && { to }) });
    this.#before = undefined;
  }
}

/** What a message from the server can have. */
interface Received extends ResumePoint {
  readonly connection?: "ok";
  readonly subscribed?: string;
  readonly gap?: Gap;
  readonly message?: unknown;
  readonly ack?: string;
  readonly error?: { readonly code: string; readonly id?: string };
  readonly heartbeat?: number;
}

function next({ epoch, offset }: ResumePoint): { epoch: string; from: number } {
  return { epoch, from: offset + 1 };
}

class World {
  readonly log = new FaultyLog(() => RETENTION);
  readonly clients = Array.from({ length: CLIENTS }, (_, n) => new ModelClient(n, this.log.records));
  readonly #servers: TestServer[] = [];
  readonly #drains: Promise<void>[] = [];

  async begin(): Promise<void> {
    for (let view = 0; view < SERVERS; view++) this.#servers[view] = await this.#start(view);
  }

  async do(taken: Step): Promise<void> {
    switch (taken.kind) {
      case "publish":
        for (let n = 0; n < taken.count; n++) this.clients[taken.client]?.publish();
        return;
      case "connect":
        this.clients[taken.client]?.connect(this.#url(taken.server));
        return;
      case "disconnect":
        this.clients[taken.client]?.disconnect();
        return;
      case "pause":
        this.clients[taken.client]?.pause();
        return;
      case "read":
        this.clients[taken.client]?.read();
        return;
      case "hold":
        this.log.hold(taken.server);
        return;
      case "release":
        this.log.release(taken.server);
        return;
      case "replace": {
        const old = this.#servers[taken.server];
        this.#servers[taken.server] = await this.#start(taken.server);
        if (old !== undefined) this.#drains.push(old.drain());
        return;
      }
      case "mode":
        this.log.mode = taken.mode;
        return;
      case "overtake":
        this.log.hold(taken.server);
        this.#flood();
        this.log.release(taken.server);
        return;
      case "restart":
        this.log.restart();
        return;
      case "flood":
        this.#flood();
        return;
      case "wait":
        for (let turn = 0; turn < taken.turns; turn++) await nextTurn();
        return;
    }
  }

  /** Ends all faults. Resolves when every client has received everything. */
  async settle(): Promise<void> {
    this.log.mode = "stores";
    for (let view = 0; view < SERVERS; view++) this.log.release(view);
    for (const each of this.clients) each.read();
    await Promise.all(this.#drains);

    const deadline = performance.now() + LEVEL_TIMEOUT_MS;
    let round = 0;
    for (;;) {
      const { epoch, next: end } = await this.log.end("");
      const behind = this.clients.filter(
        ({ point, outbox }) => outbox.size > 0 || point?.epoch !== epoch || point.offset + 1 !== end,
      );
      for (const each of this.clients) each.check();
      if (behind.length === 0) return;
      for (const each of behind) {
        if (!each.connected) each.connect(this.#url(round));
        else if (round % 50 === 49) each.publishAgain();
      }
      round += 1;
      const states = behind.map(({ point, outbox }) => ({ point, unanswered: [...outbox.keys()] }));
      assert.ok(performance.now() < deadline, `behind ${epoch} ${end}: ${JSON.stringify(states)}`);
      await nextTurn();
    }
  }

  #flood(): void {
    const log = this.log.view(0);
    for (let n = 0; n < FLOOD_MESSAGES; n++) {
      void Promise.resolve(log.append({ channel: "", record: FLOOD_PAYLOAD })).catch(() => undefined);
    }
  }

  #start(view: number): Promise<TestServer> {
    return startServer(
      { retainedBytes: 1 << 20, messagesPerSecond: 1_000_000, messageBurst: 1_000_000, drainSeconds: 0.2 },
      { log: this.log.view(view) },
    );
  }

  #url(server: number): string {
    return this.#servers[server % SERVERS]?.url ?? assert.fail();
  }
}

/** Runs the steps, ends the faults and compares the clients with the log. */
async function run(steps: readonly Step[]): Promise<World> {
  const world = new World();
  try {
    await world.begin();
    for (const each of steps) {
      await world.do(each);
      await nextTurn();
    }
    await world.settle();

    const mayLose = steps.some(({ kind }) => kind === "overtake" || kind === "restart" || kind === "flood");
    if (!mayLose) for (const { gaps } of world.clients) assert.deepEqual(gaps, []);
    for (const records of world.log.records.values()) {
      const own = records.filter((record) => record.length < 100);
      assert.equal(new Set(own).size, own.length, "a message was stored twice");
    }
    return world;
  } finally {
    for (const each of world.clients) each.disconnect();
    await tearDown();
  }
}

describe("delivery", () => {
  it("gives every resuming client exactly the messages of the log in order, and a gap for each loss", async function () {
    this.timeout(60_000);
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40, size: "max" }), async (steps) => {
        await run(steps);
      }),
      { numRuns: 120, interruptAfterTimeLimit: 40_000, includeErrorInReport: true },
    );
  });
});
