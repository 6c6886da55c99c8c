/** The limits of the client that depend on those of the server. */
import assert from "node:assert/strict";

import { MAX_UPGRADE_MS } from "../../app/src/pendingUpgrades.ts";
import { defaultSettings } from "../../app/src/settings/settings.ts";
import { DEFAULT_LIMITS } from "../../client/src/index.ts";
import { parseOptions } from "../../load-test/options.ts";

/** Time for DNS, TCP, TLS and a token, which the client's timeout includes. */
const CONNECT_MARGIN_MS = 2000;

describe("a client's default limits", () => {
  const server = defaultSettings();

  it("leave the server time to answer an upgrade", () => {
    assert.ok(MAX_UPGRADE_MS + CONNECT_MARGIN_MS <= DEFAULT_LIMITS.connectTimeoutMs);
    const loadTest = parseOptions(["ws://localhost/wss"]);
    assert.ok(loadTest !== undefined && MAX_UPGRADE_MS + CONNECT_MARGIN_MS <= loadTest.timeout * 1000);
  });

  it("leave the server time to answer a publish", () => {
    assert.ok(server.publishTimeoutSeconds * 1000 < DEFAULT_LIMITS.answerTimeoutMs);
  });

  it("keep to the server's rate", () => {
    assert.ok(DEFAULT_LIMITS.publishesPerSecond <= server.messagesPerSecond);
    assert.ok(DEFAULT_LIMITS.publishBurst < server.messageBurst);
  });
});
