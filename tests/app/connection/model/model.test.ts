/**
 * Connections with random requests, a log that answers late or with errors, and a small cache. When nothing fails any more, each
 * client must have received everything, and the server must have nothing left over.
 */
import assert from "node:assert/strict";
import { mock } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";

import fc from "fast-check";

import { FULL_ACCESS } from "../../../../app/src/auth/authorize.ts";
import { Users } from "../../../../app/src/auth/users.ts";
import { Hub } from "../../../../app/src/channel/hub.ts";
import { ChannelsConnection } from "../../../../app/src/connection/channels/channelsConnection.ts";
import { type PendingJoin, PendingJoins } from "../../../../app/src/connection/channels/pendingJoins.ts";
import type { ConnectionContext } from "../../../../app/src/connection/connectionContext.ts";
import { defaultSettings } from "../../../../app/src/settings/settings.ts";
import { UNLIMITED } from "../../support/server.ts";
import { HeldLog } from "./heldLog.ts";
import type { HeldKind } from "./heldLog.ts";
import { ModelClient } from "./modelClient.ts";
import { closeContext, createContext, RESPONSE } from "./modelContext.ts";

const CLIENTS = 3;
const CHANNELS = 12;

/** Pages that a connection waits for at a time. */
const PAGES = 4;

/** Requests and their bytes that the server reads in one turn. It does not pause the client. */
const UNPACED = 60;
const UNPACED_BYTES = 50_000;

const LINGER_MS = 100;

type Step =
  | {
      readonly kind: "subscribe";
      readonly client: number;
      readonly channel: number;
      readonly start: RandomStart;
    }
  | { readonly kind: "subscribeAll"; readonly client: number; readonly back: number }
  | { readonly kind: "unsubscribe"; readonly client: number; readonly channel: number }
  | {
      readonly kind: "publish";
      readonly client: number;
      readonly channel: number;
      readonly bytes: number;
      readonly count: number;
      readonly hasId: boolean;
    }
  | { readonly kind: "push"; readonly channel: number; readonly lengths: readonly number[] }
  | { readonly kind: "drop"; readonly channel: number; readonly count: number }
  | { readonly kind: "restart"; readonly channel: number }
  | { readonly kind: "hold" | "releaseAll"; readonly calls: HeldKind }
  | { readonly kind: "release" | "fail" | "timeOut"; readonly n: number }
  | { readonly kind: "block" | "unblock" | "leave" | "terminate"; readonly client: number }
  | { readonly kind: "turn" }
  | { readonly kind: "pass"; readonly ms: number };

/** A number of messages before the end, or another start. */
type RandomStart = number | "end" | "other epoch" | { readonly last: number };

const client = fc.nat(CLIENTS - 1);
const channel = fc.nat(CHANNELS - 1);
const calls = fc.constantFrom<HeldKind>("append", "deliver", "end", "read", "read", "read", "start");
const lengths = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.nat(40) },
    { weight: 2, arbitrary: fc.constantFrom(1000, 5000, 20_000, 70_000) },
  ),
  { minLength: 1, maxLength: 5 },
);
const start: fc.Arbitrary<RandomStart> = fc.oneof(
  fc.nat(30),
  fc.constantFrom<RandomStart>("end", "other epoch"),
  fc.record({ last: fc.integer({ min: 1, max: 20 }) }),
);

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant("subscribe"), client, channel, start }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("subscribeAll"), client, back: fc.nat(20) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("unsubscribe"), client, channel }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("publish"),
      client,
      channel,
      bytes: fc.constantFrom(0, 10, 10, 1000, 30_000),
      count: fc.constantFrom(1, 1, 2, 2, 10),
      hasId: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("publish"),
      client,
      channel,
      bytes: fc.constantFrom(1, 2000),
      count: fc.constantFrom(150, 300),
      hasId: fc.boolean(),
    }),
  },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant("push"), channel, lengths }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("drop"), channel, count: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("restart"), channel }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("hold"), calls }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("releaseAll"), calls }) },
  {
    weight: 10,
    arbitrary: fc.record({ kind: fc.constantFrom("release", "release", "release", "fail"), n: fc.nat(1000) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("timeOut"), n: fc.nat(100) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom("block", "unblock"), client }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom("leave", "terminate"), client }) },
  { weight: 10, arbitrary: fc.record({ kind: fc.constant("turn") }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("pass"), ms: fc.constantFrom(50, 250) }) },
);

/** Joins that the test can let time out. */
class TestJoins extends PendingJoins {
  readonly #pending = new Set<PendingJoin>();

  override add(join: PendingJoin): void {
    super.add(join);
    this.#pending.add(join);
  }

  override remove(join: PendingJoin): void {
    super.remove(join);
    this.#pending.delete(join);
  }

  get size(): number {
    return this.#pending.size;
  }

  timeOut(n: number): void {
    [...this.#pending][n % this.#pending.size]?.onTimeout();
  }
}

class World {
  readonly log = new HeldLog();
  readonly hub = new Hub({ log: this.log, cacheMib: 0.4, maxChannels: 1000, lingerMs: LINGER_MS });
  readonly #settings = {
    ...defaultSettings(),
    ...UNLIMITED,
    channelsPerUser: 10_000,
    subscriptionsPerConnection: 10_000,
  };
  readonly #users = new Users(this.#settings);
  readonly #joins = new TestJoins();
  readonly #open = new Map<ModelClient, ChannelsConnection>();
  /** Those that have left, and must have received everything before. */
  readonly #leaving: ModelClient[] = [];
  readonly #context: ConnectionContext;
  readonly #clients: ModelClient[] = [];
  #epochs = 0;

  constructor() {
    this.#context = createContext(this.hub, this.#settings, {
      pendingJoins: this.#joins,
      onClosed: (closed) => {
        for (const [each, connection] of this.#open) if (connection === closed) this.#open.delete(each);
      },
    });
    for (let n = 0; n < CHANNELS; n++) this.#store(nameOf(n), 20);
    for (let n = 0; n < CLIENTS; n++) this.#clients.push(this.connect(`client${n}`));
  }

  connect(name: string): ModelClient {
    const user = this.#users.connect(name);
    assert.ok(typeof user !== "string");
    const added = new ModelClient(name, this.log);
    const identity = { user, publisher: undefined, expiresAt: undefined, client: undefined };
    const connection = new ChannelsConnection(added.socket.asSocket, FULL_ACCESS, identity, this.#context);
    this.#open.set(added, connection);
    connection.start(RESPONSE, Buffer.alloc(0));
    return added;
  }

  async do(taken: Step): Promise<void> {
    const { log } = this;
    switch (taken.kind) {
      case "subscribe":
        this.#client(taken.client).subscribe(
          nameOf(taken.channel),
          this.#startOf(taken.channel, taken.start),
        );
        return;
      case "subscribeAll":
        for (let n = 0; n < CHANNELS; n++)
          this.#client(taken.client).subscribe(nameOf(n), this.#startOf(n, taken.back));
        return;
      case "unsubscribe":
        this.#client(taken.client).unsubscribe(nameOf(taken.channel));
        return;
      case "publish":
        for (let n = 0; n < taken.count; n++)
          this.#client(taken.client).publish(nameOf(taken.channel), taken.bytes, taken.hasId);
        return;
      case "push":
        for (const length of taken.lengths) this.#store(nameOf(taken.channel), 1, length);
        return;
      case "drop":
        log.channel(nameOf(taken.channel)).drop(taken.count);
        return;
      case "restart":
        log.channel(nameOf(taken.channel)).restart();
        return;
      case "hold":
        log.hold(taken.calls);
        return;
      case "releaseAll":
        log.releaseAll(taken.calls);
        return;
      case "release":
      case "fail":
        log.release(taken.n, taken.kind === "fail" ? new Error("away") : undefined);
        return;
      case "timeOut":
        this.#joins.timeOut(taken.n);
        return;
      case "block":
        this.#client(taken.client).socket.block();
        return;
      case "unblock":
        this.#client(taken.client).socket.unblock();
        return;
      case "leave":
        await this.#leave(taken.client);
        return;
      case "terminate":
        this.#replace(taken.client)?.terminate();
        return;
      case "turn":
        await nextTurn();
        return;
      case "pass":
        mock.timers.tick(taken.ms);
    }
  }

  /** Lets nothing fail or wait any more. All clients must receive everything then. */
  async settle(): Promise<void> {
    const all = [...this.#clients, ...this.#leaving];
    for (const { socket } of all) socket.unblock();
    // A publish without a result delays only its own channel.
    this.log.releaseAll("deliver", "end", "read", "start");
    const delayed = (): readonly string[] => this.#clients.flatMap(({ delayed: names }) => names);
    for (let turn = 0; turn < 100 || delayed().length > 0; turn++) {
      this.check();
      assert.ok(turn < 1000, `delayed: ${delayed().join("; ")}`);
      await this.#pass(turn);
    }
    this.log.releaseAll();
    const missing = (): readonly string[] => [
      ...this.#clients.filter(({ isComplete }) => !isComplete).map(({ incomplete }) => incomplete.join()),
      ...this.#leaving.filter((left) => this.#open.has(left)).map(() => "open"),
    ];
    for (let turn = 0; turn < 200 || missing().length > 0; turn++) {
      this.check();
      assert.ok(turn < 1000, `missing: ${missing().join("; ")}`);
      await this.#pass(turn);
    }
    for (const left of this.#leaving) {
      assert.deepEqual(left.dueAnswers, [], "a client has left without an answer");
      assert.equal(left.socket.closeCode, 1001);
    }
  }

  /** Nothing is left over, neither of the connections nor after them. */
  async checkRest(): Promise<void> {
    const { subscriptions, unanswered, untaken, held } = this.#context;
    assert.equal(
      subscriptions.count,
      this.#clients.reduce((sum, each) => sum + each.subscriptions, 0),
    );
    assert.equal(unanswered.bytes, 0);
    assert.equal(untaken.total, 0);
    assert.equal(held.total, 0);
    assert.equal(this.#joins.size, 0);
    for (const each of this.#clients) await this.#checkPaging(each);

    for (const connection of this.#open.values()) connection.terminate();
    while (this.#open.size > 0) await nextTurn();
    assert.equal(subscriptions.count, 0);
    for (let sweep = 0; sweep < 3; sweep++) {
      mock.timers.tick(2 * LINGER_MS);
      await nextTurn();
    }
    assert.equal(this.hub.channels, 0);
    assert.equal(this.log.readers, 0);
  }

  /** @throws if a client has received what it must not receive. */
  check(): void {
    for (const { failure } of [...this.#clients, ...this.#leaving]) if (failure !== undefined) throw failure;
  }

  close(): void {
    for (const connection of this.#open.values()) connection.terminate();
    closeContext(this.#context);
  }

  /** A connection without a subscription that waits can wait for all its pages. */
  async #checkPaging(each: ModelClient): Promise<void> {
    const names = Array.from({ length: 2 * PAGES }, (_, n) => `more${this.#epochs++}-${n}`);
    for (const name of names) this.#store(name, 3);
    this.log.hold("read");
    for (const name of names) each.subscribe(name, { epoch: "e0", offset: 0 });
    for (let turn = 0; turn < 10; turn++) await nextTurn();
    assert.equal(this.log.held("read"), PAGES);
    this.log.releaseAll();
    for (let turn = 0; !each.isComplete; turn++) {
      this.check();
      assert.ok(turn < 100, `missing: ${each.incomplete.join()}`);
      await nextTurn();
    }
  }

  async #pass(turn: number): Promise<void> {
    await nextTurn();
    // Reads that have failed are repeated later.
    if (turn % 10 === 9) mock.timers.tick(250);
  }

  #client(n: number): ModelClient {
    return this.#clients[n] ?? assert.fail();
  }

  async #leave(n: number): Promise<void> {
    const left = this.#client(n);
    const connection = this.#replace(n);
    this.#leaving.push(left);
    // What the server has not read yet has no answer.
    if (left.sent <= UNPACED && left.socket.bytesRead <= UNPACED_BYTES) {
      for (let turn = 0; turn < 3; turn++) await nextTurn();
      left.mustAnswer();
    }
    connection?.leave(1001, "");
  }

  /** Connects another client. Returns the connection that it replaces. */
  #replace(n: number): ChannelsConnection | undefined {
    const before = this.#client(n);
    this.#clients[n] = this.connect(`client${n}-${this.#epochs++}`);
    return this.#open.get(before);
  }

  #store(name: string, count: number, length = 5): void {
    const logged = this.log.channel(name);
    for (let n = 0; n < count; n++) {
      const { epoch, next } = logged.end;
      logged.append(JSON.stringify([name, epoch, next, "x".repeat(length)]));
    }
  }

  #startOf(n: number, from: RandomStart): object {
    if (from === "end") return {};
    if (from === "other epoch") return { epoch: "other", offset: 3 };
    if (typeof from === "object") return from;
    const { epoch, next } = this.log.channel(nameOf(n)).end;
    return { epoch, offset: Math.max(0, next - 1 - from) };
  }
}

function nameOf(n: number): string {
  return `c${n}`;
}

describe("connections of channels.v1", () => {
  beforeEach(() => {
    mock.timers.enable({ apis: ["setTimeout"] });
  });

  afterEach(() => {
    mock.timers.reset();
  });

  it("receive everything, and leave nothing over, whatever the log delays or refuses", async function () {
    this.timeout(120_000);
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 80, size: "max" }), async (steps) => {
        const world = new World();
        try {
          for (const each of steps) {
            await world.do(each);
            world.check();
          }
          await world.settle();
          await world.checkRest();
        } finally {
          world.close();
        }
      }),
      { numRuns: 120, interruptAfterTimeLimit: 15_000, includeErrorInReport: true },
    );
  });
});
