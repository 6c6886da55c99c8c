/** What the connections of a server share, without a port. */
import type { Hub } from "../../../../app/src/channel/hub.ts";
import { PendingJoins } from "../../../../app/src/connection/channels/pendingJoins.ts";
import type { ConnectionContext } from "../../../../app/src/connection/connectionContext.ts";
import { Heartbeats } from "../../../../app/src/connection/heartbeats.ts";
import { HeldBytes } from "../../../../app/src/connection/heldBytes.ts";
import { ReadTurns } from "../../../../app/src/connection/readTurns.ts";
import { UntakenBytes } from "../../../../app/src/connection/untakenBytes.ts";
import { WIRE_LIMITS } from "../../../../app/src/connection/wireLimits.ts";
import { WriteTurns } from "../../../../app/src/connection/writeTurns.ts";
import { Metrics } from "../../../../app/src/metrics/metrics.ts";
import type { Settings } from "../../../../app/src/settings/settings.ts";
import { createHeartbeatFrames } from "../../../../app/src/wire/heartbeatFrames.ts";
import { silent } from "../../support/teardown.ts";

export const RESPONSE = "HTTP/1.1 101 Switching Protocols\r\n\r\n";

type ContextParts = Partial<Pick<ConnectionContext, "pendingJoins" | "onClosed">>;

/** Without heartbeats. The caller calls {@link closeContext}. */
export function createContext(
  hub: Hub,
  settings: Settings,
  { pendingJoins = new PendingJoins(), onClosed = () => undefined }: ContextParts = {},
): ConnectionContext {
  return {
    hub,
    settings,
    limits: WIRE_LIMITS,
    held: new HeldBytes(WIRE_LIMITS),
    reads: new ReadTurns(),
    untaken: new UntakenBytes(WIRE_LIMITS),
    unanswered: { bytes: 0 },
    heartbeats: new Heartbeats(1_000_000),
    heartbeatFrames: createHeartbeatFrames(1),
    turns: new WriteTurns(),
    pendingJoins,
    subscriptions: { count: 0 },
    hooks: undefined,
    metrics: new Metrics(),
    logger: silent,
    onClosed,
  };
}

export function closeContext({ held, heartbeats, pendingJoins, metrics, hub }: ConnectionContext): void {
  for (const part of [held, heartbeats, pendingJoins]) part.stop();
  metrics.close();
  hub.close();
}
