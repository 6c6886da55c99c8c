/** The users of a task, and their limits. A user is a token's subject, or a client's address if there is no subject. */
import { byteBurst } from "../settings/relations.ts";
import type { Settings } from "../settings/settings.ts";
import { TokenBucket } from "./tokenBucket.ts";

const MS_PER_SECOND = 1000;

/**
 * A user may open its maximum number of connections, and at least so many, within this time: after a task has ended, all its
 * clients reconnect at once. More connects could open new channels again and again, and each new channel costs the log a
 * script and a record.
 */
const CONNECTS_PERIOD_MS = 30_000;
const MIN_CONNECTS_PER_PERIOD = 100;

/**
 * A user may enter its maximum number of channels, and at least so many, within this time. Each can be new to the log, which
 * keeps a record of it for minutes. Without this limit, a user that leaves channels for others could fill the log.
 */
const ENTRIES_PERIOD_MS = 30_000;
const MIN_ENTRIES_PER_PERIOD = 100;

/** Share of the subscriptions of a task that one user can have. */
const READERS_SHARE = 0.25;

export type UserLimits = Pick<
  Settings,
  | "connectionsPerUser"
  | "channelsPerUser"
  | "maxSubscriptions"
  | "bytesPerSecondPerUser"
  | "maxPayloadBytes"
  | "messagesPerSecond"
  | "messageBurst"
>;

/** The limit that prevents a further connection of a user. */
export type ConnectLimit = "connections" | "connects";

/** The limit that prevents a further reader of a user. */
export type ReaderLimit = "channels" | "entries" | "readers";

/** Creates the key of a user, which no other user has. */
export function createUserKey(subject: string | undefined, address: string): string {
  return subject === undefined ? `address ${address}` : `subject ${subject}`;
}

/** All users of a task that have a connection, or whose rates have not recovered yet. */
export class Users {
  readonly limits: UserLimits;
  /** Bytes that a user may send at once. */
  readonly burstBytes: number;
  /** Maximum number of readers of one user. */
  readonly maxReaders: number;
  readonly #users = new Map<string, User>();

  constructor(limits: UserLimits) {
    this.limits = limits;
    const {
      bytesPerSecondPerUser: bytesPerSecond,
      maxPayloadBytes,
      channelsPerUser,
      maxSubscriptions,
    } = limits;
    this.burstBytes = byteBurst({ bytesPerSecond, maxPayloadBytes });
    this.maxReaders = Math.max(channelsPerUser, maxSubscriptions * READERS_SHARE);
  }

  get size(): number {
    return this.#users.size;
  }

  /**
   * Counts one more connection of a user; {@link User.disconnect} must be called once for it.
   * @returns the user, or the limit that the user has reached.
   */
  connect(key: string, now = performance.now()): User | ConnectLimit {
    const known = this.#users.get(key);
    const user = known ?? new User(key, this);
    const limit = user.connect(now);
    if (limit !== undefined) return limit;
    if (known === undefined) this.#users.set(key, user);
    return user;
  }

  /** Returns a user that sends a request without a connection. It is forgotten when its rates have recovered. */
  visit(key: string): User {
    const known = this.#users.get(key);
    if (known !== undefined) return known;
    const user = new User(key, this);
    this.#users.set(key, user);
    return user;
  }

  /** Forgets a user without a connection whose rates have recovered: forgetting it earlier would renew its bursts. */
  forget(user: User, now = performance.now()): void {
    if (!user.isConnected && user.hasRecovered(now)) this.#users.delete(user.key);
  }

  /** Forgets users whose rates have recovered since they left. The caller calls it every few seconds. */
  sweep(now = performance.now()): void {
    for (const user of this.#users.values()) this.forget(user, now);
  }
}

/** The connections, channels and bytes of one user in one task. A reader is a subscription, or a plain connection. */
export class User {
  readonly key: string;
  readonly #users: Users;
  #connections = 0;
  /** The channel of all connections, if there is only one channel. Most users have one. */
  #channel = "";
  #readers = 0;
  /** Readers by channel, if there have been several channels. */
  #channels: Map<string, number> | undefined;
  /** `undefined` until the user sends something. */
  #bytes: TokenBucket | undefined;
  /** `undefined` until the user sends something by HTTP. */
  #requests: TokenBucket | undefined;
  #recoversAt = 0;
  /**
   * When all connects so far are forgotten. Each takes its share of the period.
   * @see https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm
   */
  #connectsUntil = 0;
  /** The same for the entries into channels. */
  #entriesUntil = 0;

  constructor(key: string, users: Users) {
    this.key = key;
    this.#users = users;
  }

  /** See {@link Users.burstBytes}. */
  get burstBytes(): number {
    return this.#users.burstBytes;
  }

  get isConnected(): boolean {
    return this.#connections > 0;
  }

  /** Callers use {@link Users.connect}. */
  connect(now: number): ConnectLimit | undefined {
    const { connectionsPerUser } = this.#users.limits;
    if (this.#connections >= connectionsPerUser) return "connections";
    const share = CONNECTS_PERIOD_MS / Math.max(connectionsPerUser, MIN_CONNECTS_PER_PERIOD);
    const connectsUntil = Math.max(this.#connectsUntil, now) + share;
    if (connectsUntil - now > CONNECTS_PERIOD_MS) return "connects";
    this.#connections += 1;
    this.#connectsUntil = connectsUntil;
    return undefined;
  }

  /** Ends a connection that {@link Users.connect} has counted. */
  disconnect(): void {
    this.#connections -= 1;
    if (this.#connections === 0) this.#users.forget(this);
  }

  /**
   * Counts a reader in a channel; {@link exit} must be called once for it.
   * @returns the limit that the user has reached. Nothing is counted then.
   */
  enter(channel: string, now = performance.now()): ReaderLimit | undefined {
    const { limits, maxReaders } = this.#users;
    if (this.#readers >= maxReaders) return "readers";
    const readers = this.#readersIn(channel);
    if (readers === 0) {
      if ((this.#channels?.size ?? Math.min(this.#readers, 1)) >= limits.channelsPerUser) return "channels";
      const share = ENTRIES_PERIOD_MS / Math.max(limits.channelsPerUser, MIN_ENTRIES_PER_PERIOD);
      const entriesUntil = Math.max(this.#entriesUntil, now) + share;
      if (entriesUntil - now > ENTRIES_PERIOD_MS) return "entries";
      this.#entriesUntil = entriesUntil;
      if (this.#readers === 0) this.#channel = channel;
      else this.#channels ??= new Map([[this.#channel, this.#readers]]);
    }
    this.#channels?.set(channel, readers + 1);
    this.#readers += 1;
    return undefined;
  }

  /** Ends a reader that {@link enter} has counted. */
  exit(channel: string): void {
    this.#readers -= 1;
    if (this.#channels === undefined) return;
    const readers = this.#readersIn(channel) - 1;
    if (readers > 0) this.#channels.set(channel, readers);
    else this.#channels.delete(channel);
    if (this.#readers === 0) this.#channels = undefined;
  }

  /** Charges bytes to the rate of the user. Returns false, and charges nothing, if they exceed it. */
  take(bytes: number, now = performance.now()): boolean {
    const { limits, burstBytes } = this.#users;
    this.#bytes ??= new TokenBucket(limits.bytesPerSecondPerUser, burstBytes, now);
    this.#noteUse(burstBytes / limits.bytesPerSecondPerUser, now);
    return this.#bytes.take(bytes, now);
  }

  /** Charges bytes of which the size was unknown before. If they exceed the rate, {@link take} fails until it has recovered. */
  spend(bytes: number, now = performance.now()): void {
    const { limits, burstBytes } = this.#users;
    this.#bytes ??= new TokenBucket(limits.bytesPerSecondPerUser, burstBytes, now);
    this.#noteUse((2 * burstBytes) / limits.bytesPerSecondPerUser, now);
    this.#bytes.spend(bytes, now);
  }

  /** Charges a request or a message by HTTP: all of a user have the rate of one connection. Otherwise see {@link take}. */
  takeRequest(now = performance.now()): boolean {
    const { messagesPerSecond, messageBurst } = this.#users.limits;
    this.#requests ??= new TokenBucket(messagesPerSecond, messageBurst, now);
    this.#noteUse(messageBurst / messagesPerSecond, now);
    return this.#requests.take(1, now);
  }

  hasRecovered(now: number): boolean {
    return now >= this.#recoversAt && now >= this.#connectsUntil && now >= this.#entriesUntil;
  }

  /** @param fullAfter seconds after which the rate has recovered. */
  #noteUse(fullAfter: number, now: number): void {
    this.#recoversAt = Math.max(this.#recoversAt, now + fullAfter * MS_PER_SECOND);
  }

  #readersIn(channel: string): number {
    if (this.#channels !== undefined) return this.#channels.get(channel) ?? 0;
    return this.#channel === channel ? this.#readers : 0;
  }
}
