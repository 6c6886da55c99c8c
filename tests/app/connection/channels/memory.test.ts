import assert from "node:assert/strict";

import { clientFrame, connectRawSubscriber } from "../../support/rawClient.ts";
import type { RawClient } from "../../support/rawClient.ts";
import { memoryInUse } from "../../support/memory.ts";
import { startServer, UNLIMITED } from "../../support/server.ts";
import type { TestServer } from "../../support/server.ts";
import { tearDown } from "../../support/teardown.ts";

const COUNT = 15_000;

/** Subscribes to channels with numbers. It keeps no text of the answers. */
async function subscribeToAll(server: TestServer, client: RawClient): Promise<void> {
  const last = Promise.withResolvers<undefined>();
  client.socket.removeAllListeners("data");
  client.socket.on("data", (chunk) => {
    if (chunk.includes('"ack":"last"')) last.resolve(undefined);
  });
  for (let n = 0; n < COUNT; n++) client.socket.write(clientFrame(0x1, `{"subscribe":"c${n}"}`));
  // The answers of a channel are in order.
  client.socket.write(clientFrame(0x1, `{"publish":1,"channel":"c${COUNT - 1}","id":"last"}`));
  await last.promise;
  assert.equal(server.subscriptions() % COUNT, 0);
}

describe("an idle subscription", () => {
  afterEach(tearDown);

  it("costs a connection few bytes if its channel has other subscribers", async function () {
    this.timeout(60_000);
    const settings = { ...UNLIMITED, subscriptionsPerConnection: COUNT, channelsPerUser: COUNT };
    const server = await startServer(settings, { lingerMs: 60_000 });
    const { port } = server.address;
    const [first, second] = [await connectRawSubscriber(port), await connectRawSubscriber(port)];
    await subscribeToAll(server, first);
    const before = memoryInUse();
    await subscribeToAll(server, second);
    const perSubscription = (memoryInUse() - before) / COUNT;
    assert.ok(perSubscription < 512, `${perSubscription} bytes`);
  });
});
