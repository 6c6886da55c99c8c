/** Event streams: the messages of a channel as server-sent events. */
import type { RequestHandler } from "express";

import type { ConnectLimit, Users } from "../../../auth/users.ts";
import type { Joined } from "../../../channel/cursor.ts";
import {
  CHANNEL_UNAVAILABLE,
  joinFailure,
  MAY_NOT_SUBSCRIBE,
  TOO_MANY_CHANNELS_OF_TASK,
  USER_LIMITS,
} from "../../../connection/channels/answers.ts";
import { JOIN_TIMEOUT_MS } from "../../../connection/channels/pendingJoins.ts";
import type { ConnectionContext } from "../../../connection/connectionContext.ts";
import { Heartbeats } from "../../../connection/heartbeats.ts";
import type { Settings } from "../../../settings/settings.ts";
import { Problem } from "../../problem.ts";
import { EventStream } from "./eventStream.ts";
import { EventTexts } from "./eventText.ts";
import { readChannel, readStart } from "../parameters.ts";
import { askToRead } from "../reading.ts";
import type { Requesters } from "../requesters.ts";

/**
 * Maximum time between two heartbeats of a stream, in seconds. CloudFront closes a response after 30 seconds without bytes, unless
 * the distribution allows more.
 * @see https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/DownloadDistValuesOrigin.html#DownloadDistValuesOriginResponseTimeout
 */
const MAX_HEARTBEAT_SECONDS = 20;

const CONNECT_REFUSALS: Readonly<Record<ConnectLimit, string>> = {
  connections: "The user has the maximum number of connections (connectionsPerUser).",
  connects: "The user connects too often (connectionsPerUser); connect again later.",
};

/** The open connections of the task, which include the streams. */
export interface Connections {
  readonly size: number;
  add(stream: EventStream): void;
  remove(stream: EventStream): void;
}

export interface EventStreamsParts {
  readonly settings: Pick<Settings, "heartbeatSeconds" | "maxConnections" | "maxSubscriptions">;
  readonly context: ConnectionContext;
  readonly users: Users;
  readonly connections: Connections;
  readonly requesters: Requesters;
  /** Whether the task accepts no further client. */
  readonly isStopped: () => boolean;
}

export class EventStreams {
  readonly #parts: EventStreamsParts;
  readonly #heartbeats: Heartbeats;
  readonly #heartbeatMs: number;
  readonly #texts = new EventTexts();

  constructor(parts: EventStreamsParts) {
    this.#parts = parts;
    this.#heartbeatMs = Math.min(parts.settings.heartbeatSeconds, MAX_HEARTBEAT_SECONDS) * 1000;
    this.#heartbeats = new Heartbeats(this.#heartbeatMs);
  }

  /** Handles `GET /channels/NAME/messages` of a client that accepts events. */
  readonly handle: RequestHandler = async (request, response) => {
    const { context, users, connections, requesters } = this.#parts;
    const channel = readChannel(request);
    const start = readStart(request);
    const requester = await requesters.identify(request);
    const { access, user: visitor, expiresAt } = requester;
    if (!access.rightsIn(channel).canSubscribe) throw Problem.of(MAY_NOT_SUBSCRIBE);
    this.#checkRoom();
    const user = users.connect(visitor.key);
    if (typeof user === "string") {
      context.metrics.count("usersLimited", user);
      throw new Problem("rate_limited", CONNECT_REFUSALS[user]);
    }
    const limit = user.enter(channel);
    if (limit !== undefined) {
      user.disconnect();
      context.metrics.count("usersLimited", limit);
      throw Problem.of(USER_LIMITS[limit]);
    }
    context.subscriptions.count += 1;
    let endReading = (): void => undefined;
    const release = (): void => {
      endReading();
      context.subscriptions.count -= 1;
      user.exit(channel);
      user.disconnect();
    };
    const stream = new EventStream({
      response,
      channel,
      user,
      expiresAt,
      texts: this.#texts,
      heartbeats: this.#heartbeats,
      heartbeatMs: this.#heartbeatMs,
      context,
      onClosed: () => {
        release();
        connections.remove(stream);
      },
    });
    let joined: Joined;
    try {
      endReading = await askToRead(context, requester, channel);
      const signal = AbortSignal.timeout(JOIN_TIMEOUT_MS);
      joined = await context.hub.join({ channel, dialect: stream.dialect, start, listener: stream, signal });
    } catch (error) {
      release();
      if (error instanceof Problem) throw error;
      context.logger.debug({ err: error, channel }, "channel not joined");
      throw Problem.of(joinFailure(error));
    }
    if (response.destroyed || this.#parts.isStopped()) {
      joined.cursor.close();
      release();
      throw Problem.of(CHANNEL_UNAVAILABLE);
    }
    connections.add(stream);
    stream.start(joined);
  };

  /** Frees the timer. Idempotent. */
  stop(): void {
    this.#heartbeats.stop();
  }

  #checkRoom(): void {
    const { settings, context, connections, isStopped } = this.#parts;
    if (isStopped() || connections.size >= settings.maxConnections) {
      throw new Problem("unavailable", "The server accepts no further client now; connect again later.");
    }
    if (context.subscriptions.count >= settings.maxSubscriptions) throw Problem.of(TOO_MANY_CHANNELS_OF_TASK);
  }
}
