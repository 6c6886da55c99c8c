import assert from "node:assert/strict";

import { clientFrame, connectRawSubscriber } from "../../support/rawClient.ts";
import type { RawClient } from "../../support/rawClient.ts";
import { memoryInUse } from "../../support/memory.ts";
import { startServer, UNLIMITED } from "../../support/server.ts";
import type { TestServer } from "../../support/server.ts";
import { tearDown } from "../../support/teardown.ts";

const COUNT = 15_000;
/** Maximum memory of a further subscription to a channel. */
const MAX_BYTES = 512;

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
    await subscribeToAll(server, await connectRawSubscriber(port));
    let least = Infinity;
    // The heap has other garbage, and sometimes a collection does not free it.
    for (let attempt = 1; attempt <= 3 && least >= MAX_BYTES; attempt++) {
      const client = await connectRawSubscriber(port);
      const before = memoryInUse();
      await subscribeToAll(server, client);
      least = Math.min(least, (memoryInUse() - before) / COUNT);
    }
    assert.ok(least < MAX_BYTES, `${least} bytes per subscription instead of less than ${MAX_BYTES}`);
  });
});
