/**
 * What each user takes of a task: connections, channels and bytes. A user is a token's subject, or else a client's
 * address.
 */
import { byteBurst } from "../settings/relations.ts";
import type { Settings } from "../settings/settings.ts";
import { TokenBucket } from "./tokenBucket.ts";

const MS_PER_SECOND = 1000;

/**
 * A user may open its whole number of connections, and at least so many, within this time: when a task has gone, all come back
 * at once. More would be new channels again and again, each of which costs the store a script and a record.
 */
const CONNECTS_PERIOD_MS = 30_000;
const MIN_CONNECTS_PER_PERIOD = 100;

export type UserLimits = Pick<
  Settings,
  "connectionsPerUser" | "channelsPerUser" | "bytesPerSecondPerUser" | "maxPayloadBytes"
>;

/** The limit that a user has reached. */
export type UserLimit = "connections" | "connects" | "channels" | "bytes";

/** A user's key: two users never share one. */
export function userKey(subject: string | undefined, address: string): string {
  return subject === undefined ? `address ${address}` : `subject ${subject}`;
}

export class Users {
  readonly limits: UserLimits;
  /** Bytes that a user may send at once. */
  readonly burstBytes: number;
  readonly #users = new Map<string, User>();

  constructor(limits: UserLimits) {
    this.limits = limits;
    const { bytesPerSecondPerUser: bytesPerSecond, maxPayloadBytes } = limits;
    this.burstBytes = byteBurst({ bytesPerSecond, maxPayloadBytes });
  }

  /** Users that are remembered: those with a connection, and those whose rates have not recovered yet. */
  get size(): number {
    return this.#users.size;
  }

  /**
   * Counts one more connection of a user to a channel; {@link User.leave} must be called once for it.
   * @returns the user, or the limit that it has reached.
   */
  join(key: string, channel: string, now = performance.now()): User | UserLimit {
    const known = this.#users.get(key);
    const user = known ?? new User(key, this);
    const limit = user.join(channel, now);
    if (limit !== undefined) return limit;
    if (known === undefined) this.#users.set(key, user);
    return user;
  }

  /** Forgets a user that has no connection, unless it would get its bursts anew. */
  forget(user: User, now = performance.now()): void {
    if (!user.isConnected && user.hasRecovered(now)) this.#users.delete(user.key);
  }

  /** Forgets users that have recovered since they left. To be called every few seconds. */
  sweep(now = performance.now()): void {
    for (const user of this.#users.values()) this.forget(user, now);
  }
}

export class User {
  readonly key: string;
  readonly #users: Users;
  #connections = 0;
  /** The only channel, of most users; then it has all connections. */
  #channel: string | undefined;
  /** Connections by channel, if there have been several channels. */
  #channels: Map<string, number> | undefined;
  /** None until the user sends something. */
  #bytes: TokenBucket | undefined;
  #recoversAt = 0;
  /** When its connects are forgotten, each of which takes its share of the period: the generic cell rate algorithm. */
  #connectsUntil = 0;

  constructor(key: string, users: Users) {
    this.key = key;
    this.#users = users;
  }

  get isConnected(): boolean {
    return this.#connections > 0;
  }

  /** Use {@link Users.join}. */
  join(channel: string, now = performance.now()): UserLimit | undefined {
    const { connectionsPerUser, channelsPerUser } = this.#users.limits;
    if (this.#connections >= connectionsPerUser) return "connections";
    const share = CONNECTS_PERIOD_MS / Math.max(connectionsPerUser, MIN_CONNECTS_PER_PERIOD);
    const connectsUntil = Math.max(this.#connectsUntil, now) + share;
    if (connectsUntil - now > CONNECTS_PERIOD_MS) return "connects";
    if (this.#connections === 0) {
      this.#channel = channel;
    } else if (this.#channels !== undefined || channel !== this.#channel) {
      this.#channels ??= new Map(this.#channel === undefined ? [] : [[this.#channel, this.#connections]]);
      const there = this.#channels.get(channel);
      if (there === undefined && this.#channels.size >= channelsPerUser) return "channels";
      this.#channels.set(channel, (there ?? 0) + 1);
    }
    this.#connections += 1;
    this.#connectsUntil = connectsUntil;
    return undefined;
  }

  leave(channel: string): void {
    this.#connections -= 1;
    const there = this.#channels?.get(channel) ?? 0;
    if (there > 1) this.#channels?.set(channel, there - 1);
    else this.#channels?.delete(channel);
    if (this.#connections > 0) return;
    this.#channels = undefined;
    this.#users.forget(this);
  }

  /** Takes bytes from what the user may send, or none and returns false if they are too many. */
  take(bytes: number, now = performance.now()): boolean {
    const { limits, burstBytes } = this.#users;
    this.#bytes ??= new TokenBucket(limits.bytesPerSecondPerUser, burstBytes, now);
    this.#recoversAt = now + (burstBytes / limits.bytesPerSecondPerUser) * MS_PER_SECOND;
    return this.#bytes.take(bytes, now);
  }

  hasRecovered(now: number): boolean {
    return now >= this.#recoversAt && now >= this.#connectsUntil;
  }
}
