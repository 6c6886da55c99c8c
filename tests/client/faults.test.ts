import assert from "node:assert/strict";

import { setTimeout as sleep } from "node:timers/promises";

import fc from "fast-check";

import { connect } from "../../client/src/index.ts";
import type { Clock, Connection, Message, Position } from "../../client/src/index.ts";
import { due } from "../support/waitUntil.ts";
import { EPOCH, FaultyServer } from "./support/faultyServer.ts";
import { startServer } from "./support/scriptedServer.ts";
import { tearDown } from "../app/support/teardown.ts";

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

const CHANNELS = ["one", "two", "three"] as const;
type ChannelName = (typeof CHANNELS)[number];

/** Milliseconds between two publishes, of the system's clock. */
const PUBLISH_INTERVAL_MS = 2;

/** Time for one scenario. */
const SCENARIO_MS = 20_000;

const scenario = fc.record({
  faults: fc.record({
    cuts: fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 8 }),
    rejections: fc.array(fc.boolean(), { maxLength: 10 }),
    // A renewal follows after 5 to 45 milliseconds of the system's clock.
    lifetimes: fc.array(fc.integer({ min: 3, max: 20 }), { minLength: 10, maxLength: 20 }),
    repeats: fc.boolean(),
  }),
  publishes: fc.array(fc.constantFrom(...CHANNELS), { minLength: 8, maxLength: 40 }),
  maxInFlight: fc.constantFrom(1, 3, 64),
});

/** Reads as many messages of a channel as will be published, by a callback or an iterator. */
async function readAll(
  connection: Connection,
  name: ChannelName,
  count: number,
  byIterator: boolean,
): Promise<Message<string>[]> {
  const messages: Message<string>[] = [];
  if (count === 0) return messages;
  const after = { epoch: EPOCH, offset: 0 };
  if (byIterator) {
    for await (const item of connection.channel<string>(name, { after })) {
      assert.equal(item.gap, undefined);
      if (messages.push(item) === count) break;
    }
    return messages;
  }
  await new Promise<void>((resolve, reject) => {
    connection.channel<string>(name, {
      after,
      onMessage: (message) => {
        if (messages.push(message) === count) resolve();
      },
      onGap: (gap) => {
        reject(new Error(`gap ${JSON.stringify(gap)}`));
      },
    });
  });
  return messages;
}

describe("clients on a failing network", () => {
  afterEach(tearDown);

  it("receive exactly the log of each channel, and resolve each publish once, under random faults", async function () {
    this.timeout(120_000);
    let drops = 0;
    let renewals = 0;
    await fc.assert(
      fc.asyncProperty(scenario, async ({ faults, publishes, maxInFlight }) => {
        const faulty = new FaultyServer(faults);
        const { url } = await startServer(faulty.accept);
        let tokens = 0;
        const clients = [true, false].map((byIterator) => {
          const token = (): string => `token-${(tokens += 1)}`;
          const connection = connect(url, { clock: FAST_CLOCK, backoffCapMs: 1000, maxInFlight, token });
          return { connection, byIterator };
        });
        const counts = CHANNELS.map((name) => publishes.filter((channel) => channel === name).length);

        const placed = publishes.map(async (channel, index) => {
          const client = clients[index % clients.length];
          assert.ok(client);
          const value = `value ${index}`;
          await sleep(index * PUBLISH_INTERVAL_MS);
          return { channel, value, ...(await client.connection.publish(channel, value)) };
        });
        const views = clients.map(({ connection, byIterator }) =>
          Promise.all(
            CHANNELS.map((name, index) => readAll(connection, name, counts[index] ?? 0, byIterator)),
          ),
        );
        const places = await due(Promise.all(placed), "all acknowledgements", SCENARIO_MS);

        for (const view of await due(Promise.all(views), "all messages", SCENARIO_MS)) {
          CHANNELS.forEach((name, index) => {
            assert.deepEqual(
              view[index],
              faulty.log(name).map(({ value }, at) => ({ value, epoch: EPOCH, offset: at + 1 })),
            );
          });
        }
        assert.deepEqual(
          CHANNELS.map((name) => faulty.log(name).length),
          counts,
        );
        for (const { channel, value, epoch, offset } of places) {
          assert.deepEqual([epoch, faulty.log(channel)[offset - 1]?.value], [EPOCH, value]);
        }
        if (maxInFlight === 1 || !faults.rejections.includes(true)) assertOrder(places, clients.length);
        drops += faulty.drops;
        renewals += faulty.renewals;
        await Promise.all(clients.map(({ connection }) => connection.close()));
        await tearDown();
      }),
      { numRuns: 40 },
    );
    assert.ok(drops > 0 && renewals > 0, `${drops} drops, ${renewals} renewals`);
  });
});

/** Each client's publishes are in the order of its calls, in each channel. */
function assertOrder(places: readonly (Position & { readonly channel: string })[], clients: number): void {
  for (let client = 0; client < clients; client += 1) {
    for (const name of CHANNELS) {
      const own = places.filter(({ channel }, index) => index % clients === client && channel === name);
      const offsets = own.map(({ offset }) => offset);
      assert.deepEqual(
        offsets,
        offsets.toSorted((one, other) => one - other),
      );
    }
  }
}
