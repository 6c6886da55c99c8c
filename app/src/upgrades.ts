/** The admission of WebSocket clients: from an upgrade request to an open connection, or to a refusal. */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";

import { authorizeRequest, OPEN_GRANT } from "./auth/authorize.ts";
import type { Access, RequestAuthorizer } from "./auth/authorize.ts";
import { clientAddress } from "./auth/clientAddress.ts";
import { createUserKey } from "./auth/users.ts";
import type { ConnectLimit, ReaderLimit, Users } from "./auth/users.ts";
import { ChannelsConnection } from "./connection/channels/channelsConnection.ts";
import type { ConnectionContext, ClientIdentity } from "./connection/connectionContext.ts";
import { PlainConnection } from "./connection/plainConnection.ts";
import type { Client } from "./handlers/handlers.ts";
import { renderAcceptance, readHandshake } from "./http/handshake.ts";
import type { OriginCheck } from "./http/origins.ts";
import { BUSY, refuse, TOO_MANY } from "./http/refusal.ts";
import type { Refusal } from "./http/refusal.ts";
import type { OpenConnections } from "./openConnections.ts";
import { PendingUpgrades } from "./pendingUpgrades.ts";
import type { PendingUpgrade } from "./pendingUpgrades.ts";
import type { Settings } from "./settings/settings.ts";
import { toWireName } from "./wire/channelName.ts";
import type { ErrorCode } from "./wire/messages.ts";

/** Interval at which users without connections are forgotten. */
const SWEEP_INTERVAL_MS = 2_000;

/** Why an upgrade is refused, by the limit that its user has reached. */
const USER_REFUSALS: Readonly<Record<ConnectLimit, string>> = {
  connections: "One user has too many connections.",
  connects: "One user connects too often.",
};

const CHANNEL_REFUSALS: Readonly<Record<ReaderLimit, string>> = {
  channels: "One user has too many channels.",
  entries: "One user enters channels too often.",
  readers: "One user has too many subscriptions.",
};

export interface UpgradesParts {
  readonly settings: Settings;
  readonly connections: OpenConnections;
  readonly users: Users;
  readonly origins: OriginCheck;
  /** What the connections share. */
  readonly context: ConnectionContext;
  /** Checks an upgrade request; `undefined` if every client is admitted. */
  readonly authorize: RequestAuthorizer | undefined;
  /** Whether the handlers have started. */
  readonly hasStarted: () => boolean;
}

export class Upgrades {
  readonly #parts: UpgradesParts;
  readonly #pending: PendingUpgrades;
  readonly #sweeping: NodeJS.Timeout;
  #isStopped = false;

  constructor(parts: UpgradesParts) {
    this.#parts = parts;
    this.#pending = new PendingUpgrades((socket, refusal) => {
      this.refuse(socket, refusal);
    });
    this.#sweeping = setInterval(() => {
      parts.users.sweep();
    }, SWEEP_INTERVAL_MS);
  }

  /**
   * Answers an upgrade request, now or after the token and the channel have been checked.
   * @param head bytes that arrived with the request.
   */
  handle(request: IncomingMessage, head: Buffer): void {
    const { socket } = request;
    const handshake = readHandshake(request);
    if ("status" in handshake) {
      this.refuse(socket, handshake);
      return;
    }
    const refusal = this.#checkRequest(request);
    if (refusal !== undefined) {
      this.refuse(socket, refusal);
      return;
    }
    socket.setTimeout(0);
    const upgrade = this.#pending.add(request, head, handshake);
    this.#admit(upgrade).catch((error: unknown) => {
      if (!this.#pending.has(upgrade)) return;
      this.#parts.context.logger.debug({ err: error }, "channel not available");
      this.#pending.reject(upgrade, BUSY);
    });
  }

  /** Answers an upgrade request, or a request that cannot be read, with an error status. */
  refuse(socket: Duplex, refusal: Refusal): void {
    const { metrics, logger } = this.#parts.context;
    const { status, reason } = refusal;
    metrics.count("upgradesRefused", status);
    logger.debug({ status, reason }, "upgrade refused");
    refuse(socket, refusal);
  }

  /** Whether every upgrade is refused. */
  get isStopped(): boolean {
    return this.#isStopped;
  }

  /** Refuses the pending upgrades and every later one. Idempotent. */
  stop(): void {
    this.#isStopped = true;
    this.#pending.rejectAll(BUSY);
  }

  /** Frees the timers. Idempotent. */
  close(): void {
    this.stop();
    this.#pending.stop();
    clearInterval(this.#sweeping);
  }

  /** Checks what does not depend on a token. */
  #checkRequest({ headers }: IncomingMessage): Refusal | undefined {
    const reason = this.#parts.origins.check(headers.origin);
    if (reason !== undefined) return { status: 403, reason };
    const { connections, settings, hasStarted } = this.#parts;
    const isFull = connections.size + this.#pending.size >= settings.maxConnections;
    return this.#isStopped || !hasStarted() || isFull ? BUSY : undefined;
  }

  async #admit(upgrade: PendingUpgrade): Promise<void> {
    const { authorize, context, settings, users } = this.#parts;
    const { request, handshake } = upgrade;
    // Without tokens, nothing is awaited here: the client joins its channel in the same turn of the event loop.
    const address = clientAddress(request, settings.trustedProxies);
    const { url = "" } = request;
    const protocols = handshake.subprotocols;
    const grant =
      authorize === undefined
        ? OPEN_GRANT
        : await authorizeRequest(authorize, request, { protocols, address, url });
    if (!grant.granted) {
      this.#pending.reject(upgrade, grant.status === 503 ? { ...BUSY, reason: grant.reason } : grant);
      return;
    }
    // It may have been rejected while the token was checked.
    if (!this.#pending.has(upgrade)) return;
    const { access, subject: publisher, expiresAt, claims = {} } = grant;
    const key = createUserKey(publisher, address);
    const user = users.connect(key);
    if (typeof user === "string") {
      context.metrics.count("usersLimited", user);
      this.#pending.reject(upgrade, { ...TOO_MANY, reason: USER_REFUSALS[user] });
      return;
    }
    const { dialect } = handshake;
    const { hooks } = context;
    const client = hooks?.connect({ user: publisher, address, dialect, claims });
    upgrade.release = () => {
      user.disconnect();
      if (client !== undefined) hooks?.disconnect(client);
    };
    const identity: ClientIdentity = { user, publisher, expiresAt, client };
    if (dialect === "channels") this.#open(upgrade, access, identity);
    else await this.#join(upgrade, handshake.channel, access, identity);
  }

  /** Opens a connection that has no channel yet. */
  #open(upgrade: PendingUpgrade, access: Access, client: ClientIdentity): void {
    const { connections, context } = this.#parts;
    const { request, handshake, head } = upgrade;
    this.#pending.remove(upgrade);
    if (request.socket.destroyed) {
      upgrade.release?.();
      return;
    }
    const connection = new ChannelsConnection(request.socket, access, client, context);
    connections.add(connection);
    connection.start(renderAcceptance(handshake), head);
    context.logger.debug({ connections: connections.size }, "connection opened");
  }

  /** Joins the channel, and opens the connection if the upgrade is still pending then. */
  async #join(
    upgrade: PendingUpgrade,
    channel: string,
    access: Access,
    client: ClientIdentity,
  ): Promise<void> {
    const { connections, context } = this.#parts;
    const { user } = client;
    const { release } = upgrade;
    const rights = access.rightsIn(channel);
    if (!rights.canSubscribe && !rights.canPublish) {
      this.#pending.reject(upgrade, { status: 403, reason: "The token does not grant this channel." });
      return;
    }
    const limit = user.enter(channel);
    if (limit !== undefined) {
      context.metrics.count("usersLimited", limit);
      this.#pending.reject(upgrade, { ...TOO_MANY, reason: CHANNEL_REFUSALS[limit] });
      return;
    }
    upgrade.release = () => {
      user.exit(channel);
      release?.();
    };
    if (client.client !== undefined && rights.canSubscribe) {
      const refusal = await this.#askHooks(upgrade, client.client, toWireName(channel));
      if (refusal !== undefined) this.#pending.reject(upgrade, refusal);
      if (!this.#pending.has(upgrade)) return;
    }
    const { socket } = upgrade.request;
    const connection = new PlainConnection(socket, channel, rights, client, context);
    const joined = await context.hub.join({
      channel,
      dialect: "plain",
      start: "end",
      listener: connection,
      signal: upgrade.rejection.signal,
    });

    const isPending = this.#pending.remove(upgrade);
    if (!isPending || socket.destroyed) {
      joined.cursor.close();
      // A rejection has released the user already.
      if (isPending) upgrade.release();
      return;
    }
    connections.add(connection);
    connection.start(renderAcceptance(upgrade.handshake), joined, upgrade.head);
    context.logger.debug({ connections: connections.size }, "connection opened");
  }

  /** Asks the handlers whether a client of the plain dialect may subscribe. Returns why it may not. */
  async #askHooks(upgrade: PendingUpgrade, client: Client, channel: string): Promise<Refusal | undefined> {
    const { hooks } = this.#parts.context;
    const event = { client, user: client.user, channel };
    const refusal = await hooks?.subscribe(event);
    if (refusal !== undefined) {
      const { code, message: reason } = refusal;
      return TEMPORARY_CODES.has(code) ? { ...BUSY, reason } : { status: 403, reason };
    }
    const unsubscribe = (): void => {
      hooks?.unsubscribe(event);
    };
    const { release } = upgrade;
    if (this.#pending.has(upgrade)) {
      upgrade.release = () => {
        unsubscribe();
        release?.();
      };
    } else unsubscribe();
    return undefined;
  }
}

/** Codes of errors that another attempt may not have. */
const TEMPORARY_CODES: ReadonlySet<string> = new Set<ErrorCode>(["internal_error", "unavailable"]);
