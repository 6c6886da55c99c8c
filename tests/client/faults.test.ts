import assert from "node:assert/strict";

import fc from "fast-check";

import { connect } from "../../client/src/index.ts";
import type { Clock, Position } from "../../client/src/index.ts";
import { startServer } from "./support/scriptedServer.ts";
import type { PublishFrame, ServerConnection } from "./support/scriptedServer.ts";
import { tearDown } from "../app/support/teardown.ts";

/** The faults of one publish. */
const FAULTS = [
  "none",
  "unavailable",
  "dropped before it is stored",
  "dropped before the acknowledgement",
  "acknowledged after its delivery",
  "acknowledged and delivered twice",
] as const;

type Fault = (typeof FAULTS)[number];

const EPOCH = "e";

/** The speed of the clients' clock, relative to the system's. */
const SPEED = 400;

const FAST_CLOCK: Clock = {
  now: () => performance.now() * SPEED,
  date: () => performance.now() * SPEED,
  after: (milliseconds, action) => {
    const timer = setTimeout(action, milliseconds / SPEED);
    return () => {
      clearTimeout(timer);
    };
  },
};

/** A channel's log behind `resume.v1`, with a list of faults for the publishes. */
class FaultyChannel {
  readonly log: { readonly value: unknown; readonly id: string }[] = [];
  readonly #connections = new Set<ServerConnection>();
  readonly #faults: Fault[];

  constructor(faults: readonly Fault[]) {
    this.#faults = [...faults];
  }

  readonly accept = (connection: ServerConnection): void => {
    const { offset } = connection.resumePoint;
    const from = offset === null ? this.log.length : Number(offset);
    connection.greet(EPOCH, from);
    this.#deliver(connection, from);
    this.#connections.add(connection);
    void this.#serve(connection);
  };

  #deliver(connection: ServerConnection, from: number): void {
    this.log.slice(from).forEach(({ value }, index) => {
      connection.send({ message: value, offset: from + index + 1 });
    });
  }

  async #serve(connection: ServerConnection): Promise<void> {
    let open = true;
    void connection.closed.then(() => {
      open = false;
      this.#connections.delete(connection);
    });
    for (;;) {
      const frame = await connection.takeFrame();
      // Frames that arrived before the connection was dropped are ignored.
      if (open) open = this.#take(connection, frame);
    }
  }

  /** Returns whether the connection stays open. */
  #take(connection: ServerConnection, frame: PublishFrame): boolean {
    const drop = (): false => {
      this.#connections.delete(connection);
      connection.terminate();
      return false;
    };
    const fault = this.#faults.shift() ?? "none";
    switch (fault) {
      case "unavailable":
        connection.reject(frame, "unavailable");
        return true;
      case "dropped before it is stored":
        return drop();
      case "dropped before the acknowledgement":
        this.#store(frame);
        return drop();
      case "none": {
        // Here, the acknowledgement precedes the delivery.
        const known = this.log.findIndex(({ id }) => id === frame.id);
        connection.ack(frame, (known < 0 ? this.log.length : known) + 1);
        this.#store(frame);
        return true;
      }
      case "acknowledged after its delivery":
        connection.ack(frame, this.#store(frame));
        return true;
      case "acknowledged and delivered twice": {
        const offset = this.#store(frame);
        this.#deliver(connection, Math.max(0, offset - 3));
        connection.ack(frame, offset).ack(frame, offset);
        return true;
      }
    }
  }

  /** Returns the offset. */
  #store({ publish: value, id }: PublishFrame): number {
    const known = this.log.findIndex((entry) => entry.id === id);
    if (known >= 0) return known + 1;
    const offset = this.log.push({ value, id });
    for (const connection of this.#connections) connection.send({ message: value, offset });
    return offset;
  }
}

describe("clients on a failing network", () => {
  afterEach(tearDown);

  it("yields exactly the log and resolves each publish once under random faults", async function () {
    this.timeout(60_000);
    const scenario = fc.record({
      faults: fc.array(fc.constantFrom(...FAULTS), { maxLength: 30 }),
      publishes: fc.integer({ min: 1, max: 20 }),
      maxInFlight: fc.constantFrom(1, 3, 64),
    });
    await fc.assert(
      fc.asyncProperty(scenario, async ({ faults, publishes, maxInFlight }) => {
        const channel = new FaultyChannel(faults);
        const server = await startServer(channel.accept);
        const from = { epoch: EPOCH, offset: 0 };
        const options = { clock: FAST_CLOCK, backoffCapMs: 1000, maxInFlight, from };
        const clients = [connect<string>(server.url, options), connect<string>(server.url, options)];

        const resolved: Position[] = [];
        const values = Array.from({ length: publishes }, (_, index) => `value ${index}`);
        const placed = Promise.all(
          values.map(async (value, index) => {
            const client = clients[index % clients.length];
            assert.ok(client);
            const position = await client.publish(value);
            resolved.push(position);
            return { value, ...position };
          }),
        );
        const views = await Promise.all(
          clients.map(async (client) => {
            const view: Position[] = [];
            for await (const { gap, message, offset, epoch } of client) {
              assert.equal(gap, undefined);
              assert.equal(message, channel.log[offset - 1]?.value);
              view.push({ epoch, offset });
              if (view.length === publishes) break;
            }
            return view;
          }),
        );

        const places = await placed;
        assert.equal(channel.log.length, publishes);
        for (const { value, offset } of places) assert.equal(channel.log[offset - 1]?.value, value);
        assert.equal(resolved.length, publishes);
        for (const view of views) {
          assert.deepEqual(
            view,
            channel.log.map((_, index) => ({ epoch: EPOCH, offset: index + 1 })),
          );
        }
        if (maxInFlight === 1 || !faults.includes("unavailable")) {
          clients.forEach((_, client) => {
            const own = places.filter((_place, index) => index % clients.length === client);
            const sorted = [...own].sort((one, other) => one.offset - other.offset);
            assert.deepEqual(own, sorted);
          });
        }
        await Promise.all(clients.map((client) => client.close()));
        await tearDown();
      }),
      { numRuns: 30 },
    );
  });
});
