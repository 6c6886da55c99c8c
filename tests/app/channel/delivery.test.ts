/** The promise of the whole: whatever happens, a client that resumes ends with exactly the log, and knows its gaps. */
import assert from "node:assert/strict";
import { setImmediate as nextTurn } from "node:timers/promises";

import fc from "fast-check";
import { WebSocket } from "ws";

import type { ResumePoint } from "../../../app/src/channel/cursor.ts";
import type { Gap } from "../../../app/src/wire/messages.ts";
import { SharedLog } from "../log/sharedLog.ts";
import type { AppendMode } from "../log/sharedLog.ts";
import { isGap, isGreeting, startServer, tearDown } from "../support.ts";
import type { TestServer } from "../support.ts";

const CLIENTS = 3;
const SERVERS = 2;

/** Time in which all clients must be level again when nothing goes wrong any more. */
const LEVEL_TIMEOUT_MS = 15_000;

type Step =
  | { readonly kind: "publish"; readonly client: number; readonly count: number }
  | { readonly kind: "connect"; readonly client: number; readonly server: number }
  | { readonly kind: "disconnect" | "pause" | "read"; readonly client: number }
  | { readonly kind: "hold" | "release" | "replace"; readonly server: number }
  | { readonly kind: "mode"; readonly mode: AppendMode }
  | { readonly kind: "trim"; readonly kept: number }
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
  { weight: 1, arbitrary: fc.record({ kind: constant("replace"), server }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: constant("mode"),
      mode: fc.constantFrom<AppendMode>("stores", "waits", "refuses", "forgets"),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: constant("trim"), kept: fc.nat(10) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom("restart", "flood") }) },
);

/** A client as PROTOCOL.md tells it to be, that checks whatever it hears against the log. */
class ModelClient {
  readonly gaps: Gap[] = [];
  /** What it has published and has no acknowledgement of. */
  readonly outbox = new Map<string, string>();
  readonly #name: number;
  readonly #lives: SharedLog["lives"];
  #webSocket: WebSocket | undefined;
  #greeted = false;
  #point: ResumePoint | undefined;
  /** Told by a greeting that does not continue where the client was: a gap must follow. */
  #before: ResumePoint | undefined;
  #published = 0;
  #broken: unknown;

  constructor(name: number, lives: SharedLog["lives"]) {
    this.#name = name;
    this.#lives = lives;
  }

  get point(): ResumePoint | undefined {
    return this.#point;
  }

  get connected(): boolean {
    return this.#webSocket !== undefined;
  }

  connect(url: string): void {
    this.disconnect();
    const address = new URL(url);
    if (this.#point !== undefined) {
      address.searchParams.set("epoch", this.#point.epoch);
      address.searchParams.set("offset", String(this.#point.offset));
    }
    const webSocket = new WebSocket(address, "resume.v1");
    this.#webSocket = webSocket;
    this.#greeted = false;
    webSocket.on("error", () => undefined);
    webSocket.on("close", () => {
      if (this.#webSocket === webSocket) this.#webSocket = undefined;
    });
    webSocket.on("message", (data: Buffer) => {
      if (this.#webSocket !== webSocket) return;
      try {
        this.#hear(JSON.parse(data.toString()));
      } catch (error) {
        this.#broken ??= error;
      }
    });
  }

  disconnect(): void {
    this.#webSocket?.terminate();
    this.#webSocket = undefined;
    // A gap that it was not told yet it will be told again.
    if (this.#before !== undefined) this.#point = this.#before;
    this.#before = undefined;
  }

  pause(): void {
    if (this.#greeted) this.#webSocket?.pause();
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

  /** @throws where it has heard something that it must not hear. */
  check(): void {
    if (this.#broken !== undefined) throw this.#broken as Error;
  }

  #send(id: string): void {
    if (this.#greeted && this.#webSocket?.readyState === WebSocket.OPEN) {
      this.#webSocket.send(JSON.stringify({ publish: id, id }));
    }
  }

  #hear(value: unknown): void {
    assert.ok(typeof value === "object" && value !== null);
    if (isGap(value)) {
      const { gap } = value;
      assert.deepEqual({ epoch: gap.epoch, from: gap.from }, this.#before && next(this.#before));
      if (gap.to !== undefined) assert.deepEqual(this.#point, { epoch: gap.epoch, offset: gap.to });
      this.gaps.push(gap);
      this.#before = undefined;
      return;
    }
    assert.equal(this.#before, undefined, `instead of a gap: ${JSON.stringify(value)}`);
    if (isGreeting(value)) {
      const { epoch, offset } = value;
      const before = this.#point;
      this.#point = { epoch, offset };
      if (before !== undefined && (before.epoch !== epoch || before.offset !== offset)) this.#before = before;
      this.#greeted = true;
      this.publishAgain();
    } else if ("message" in value && "offset" in value) {
      assert.ok(this.#point !== undefined);
      const { epoch, offset } = this.#point;
      assert.equal(value.offset, offset + 1);
      assert.equal(JSON.stringify(value.message), this.#lives.get(epoch)?.[offset]);
      this.#point = { epoch, offset: offset + 1 };
    } else if ("ack" in value) {
      assert.ok(this.outbox.delete(String(value.ack)) || this.#published > 0);
    } else {
      assert.match(JSON.stringify(value), /^\{"error":\{"code":"unavailable",.*"id":/);
    }
  }
}

function next({ epoch, offset }: ResumePoint): { epoch: string; from: number } {
  return { epoch, from: offset + 1 };
}

class World {
  readonly log = new SharedLog();
  readonly clients = Array.from({ length: CLIENTS }, (_, n) => new ModelClient(n, this.log.lives));
  readonly #servers: TestServer[] = [];
  readonly #drains: Promise<void>[] = [];

  async begin(): Promise<void> {
    for (let view = 0; view < SERVERS; view++) this.#servers[view] = await this.#start(view);
  }

  async do(done: Step): Promise<void> {
    switch (done.kind) {
      case "publish":
        for (let n = 0; n < done.count; n++) this.clients[done.client]?.publish();
        return;
      case "connect":
        this.clients[done.client]?.connect(this.#url(done.server));
        return;
      case "disconnect":
        this.clients[done.client]?.disconnect();
        return;
      case "pause":
        this.clients[done.client]?.pause();
        return;
      case "read":
        this.clients[done.client]?.read();
        return;
      case "hold":
        this.log.hold(done.server);
        return;
      case "release":
        this.log.release(done.server);
        return;
      case "replace": {
        const old = this.#servers[done.server];
        this.#servers[done.server] = await this.#start(done.server);
        if (old !== undefined) this.#drains.push(old.drain());
        return;
      }
      case "mode":
        this.log.mode = done.mode;
        return;
      case "trim":
        this.log.trim(done.kept);
        return;
      case "restart":
        this.log.restart();
        return;
      case "flood": {
        // More than the buffers of both ends of a connection hold: who pauses falls behind.
        const json = JSON.stringify("x".repeat(60_000));
        const appends = Array.from({ length: 200 }, async () =>
          this.log.view(0).append({ channel: "", payload: json }),
        );
        void Promise.allSettled(appends);
        return;
      }
      case "wait":
        for (let turn = 0; turn < done.turns; turn++) await nextTurn();
        return;
    }
  }

  /** Nothing goes wrong any more: resolves when all are level. */
  async settle(): Promise<void> {
    this.log.mode = "stores";
    for (let view = 0; view < SERVERS; view++) this.log.release(view);
    for (const each of this.clients) each.read();
    await Promise.all(this.#drains);

    const deadline = performance.now() + LEVEL_TIMEOUT_MS;
    let round = 0;
    for (;;) {
      const { epoch, next: end } = this.log.end;
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

/** @returns the world at its end. */
async function play(steps: readonly Step[]): Promise<World> {
  const world = new World();
  try {
    await world.begin();
    for (const each of steps) {
      await world.do(each);
      await nextTurn();
    }
    await world.settle();

    const mayLose = steps.some(({ kind }) => kind === "trim" || kind === "restart" || kind === "flood");
    if (!mayLose) for (const { gaps } of world.clients) assert.deepEqual(gaps, []);
    for (const payloads of world.log.lives.values()) {
      const own = payloads.filter((payload) => payload.length < 100);
      assert.equal(new Set(own).size, own.length, "nothing is stored twice");
    }
    return world;
  } finally {
    for (const each of world.clients) each.disconnect();
    await tearDown();
  }
}

describe("delivery", () => {
  it("leaves every client that resumes with exactly the log, in order, and tells each loss", async function () {
    this.timeout(60_000);
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40, size: "max" }), async (steps) => {
        await play(steps);
      }),
      { numRuns: 120, interruptAfterTimeLimit: 40_000 },
    );
  });
});
