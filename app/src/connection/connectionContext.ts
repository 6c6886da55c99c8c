import type { Logger } from "pino";

import type { User } from "../auth/users.ts";
import type { Hub } from "../channel/hub.ts";
import type { Client } from "../handlers/handlers.ts";
import type { Hooks } from "../handlers/hooks.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { Settings } from "../settings/settings.ts";
import type { HeartbeatFrames } from "../wire/heartbeatFrames.ts";
import type { PendingJoins } from "./channels/pendingJoins.ts";
import type { RateSettings } from "./clientRates.ts";
import type { Connection } from "./connection.ts";
import type { Heartbeats } from "./heartbeats.ts";
import type { TaskMemory } from "./webSocket/webSocket.ts";
import type { WireLimits } from "./wireLimits.ts";
import type { WriteTurns } from "./writeTurns.ts";

/** What all connections of a server share. */
export interface ConnectionContext extends TaskMemory {
  readonly hub: Hub;
  readonly settings: RateSettings &
    Pick<
      Settings,
      "heartbeatSeconds" | "bytesPerSecondPerUser" | "subscriptionsPerConnection" | "maxSubscriptions"
    >;
  readonly limits: Pick<WireLimits, "maxUnansweredBytes" | "writeTimeoutMs">;
  /** Bytes of all publishes that the log has not answered yet. */
  readonly unanswered: { bytes: number };
  readonly heartbeats: Heartbeats;
  readonly heartbeatFrames: HeartbeatFrames;
  readonly turns: WriteTurns;
  readonly pendingJoins: PendingJoins;
  /** Number of subscriptions of all `channels` clients. */
  readonly subscriptions: { count: number };
  /** The calls of the handlers; `undefined` if there are none. */
  readonly hooks: Hooks | undefined;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly onClosed: (connection: Connection) => void;
}

/** The client of a connection. */
export interface ClientIdentity {
  /** The user whose limits apply. The connection disconnects it when it has closed. */
  readonly user: User;
  /**
   * The subject of the client's token, whose ids of messages are its own; `undefined` if there is none. An address is no
   * publisher: a client that repeats a publish after its address has changed must be recognized by the id.
   */
  readonly publisher: string | undefined;
  /** When the client's token expires, in milliseconds since 1970; `undefined` if it never does. */
  readonly expiresAt: number | undefined;
  /** The client for the handlers, from {@link Hooks.connect}; `undefined` if there are none. */
  readonly client: Client | undefined;
}
