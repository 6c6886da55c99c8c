import assert from "node:assert/strict";

import { SubscriberConnection } from "../../../app/src/log/valkey/connection/subscriberConnection.ts";
import { RecurringProblem } from "../../../app/src/metrics/recurringProblem.ts";
import { waitUntil } from "../../support/waitUntil.ts";
import { recordLog } from "../support/logLines.ts";
import { afterwards } from "../support/teardown.ts";
import { useValkey } from "./valkeyFixture.ts";

describe("a connection for subscriptions", () => {
  const valkey = useValkey();

  it("is replaced if it has not replied to the last ping, but not during another request", async () => {
    const { logger, messages } = recordLog("warn");
    const replacement = new RecurringProblem({ logger, begun: "replaced", ended: "ended" });
    const { address } = valkey.server;
    const connection = new SubscriberConnection({
      ...address,
      name: "subscriber",
      answerTimeoutMs: 10_000,
      logger,
      replacement,
      onMessage: () => undefined,
    });
    afterwards(() => {
      connection.close();
    });
    await waitUntil(() => connection.isReady);
    const confirming = connection.confirm();
    connection.ping();
    assert.deepEqual([await confirming, connection.isReady, messages()], [true, true, []]);

    // The reply to the ping has arrived, too.
    await connection.confirm();
    await valkey.server.pause();
    afterwards(() => valkey.server.resume());
    connection.ping();
    assert.deepEqual(messages(), []);
    connection.ping();
    assert.deepEqual(messages(), ["replaced"]);
  });
});
