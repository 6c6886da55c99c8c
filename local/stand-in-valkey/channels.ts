/**
 * Publish and subscribe, for messages of text.
 * @see https://valkey.io/topics/pubsub
 */
import type { Socket } from "node:net";
import { CommandError, encodeReply, type Reply } from "./resp.ts";

/** Commands that a connection may send while it has subscriptions. */
const SUBSCRIBER_COMMANDS = new Set([
  "ping",
  "quit",
  "subscribe",
  "ssubscribe",
  "sunsubscribe",
  "unsubscribe",
]);

/** Maximum output that waits for a subscriber, as in Valkey's default configuration. Valkey also has a lower limit for a minute. */
const MAX_PENDING_BYTES = 32 * 1024 * 1024;

/** The channels of `SUBSCRIBE`, or those of `SSUBSCRIBE`, whose commands and pushes have the prefix `s`. */
class Channels {
  readonly #prefix: string;
  readonly #subscribers = new Map<string, Set<Socket>>();
  readonly #names = new Map<Socket, Set<string>>();

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** @returns the replies, one for each channel. */
  subscribe(socket: Socket, names: readonly string[]): readonly Reply[] {
    if (names.length === 0) throw wrongArguments(`${this.#prefix}subscribe`);
    const own = this.#names.get(socket) ?? new Set();
    this.#names.set(socket, own);
    return names.map((name) => {
      own.add(name);
      this.#subscribers.set(name, (this.#subscribers.get(name) ?? new Set()).add(socket));
      return [`${this.#prefix}subscribe`, name, own.size];
    });
  }

  /** Without names, all channels of the connection. */
  unsubscribe(socket: Socket, names: readonly string[]): readonly Reply[] {
    const own = this.#names.get(socket) ?? new Set();
    const left = names.length === 0 ? [...own] : names;
    const kind = `${this.#prefix}unsubscribe`;
    if (left.length === 0) return [[kind, null, 0]];
    return left.map((name) => {
      const subscribers = this.#subscribers.get(name);
      subscribers?.delete(socket);
      if (subscribers?.size === 0) this.#subscribers.delete(name);
      own.delete(name);
      if (own.size === 0) this.#names.delete(socket);
      return [kind, name, own.size];
    });
  }

  /** Disconnects a subscriber that does not read. @returns the number of subscribers. */
  publish([name, message, ...others]: readonly string[]): number {
    if (name === undefined || message === undefined || others.length > 0) {
      throw wrongArguments(`${this.#prefix}publish`);
    }
    const count = this.count(name);
    const push = encodeReply([`${this.#prefix}message`, name, message]);
    for (const socket of this.#subscribers.get(name) ?? []) {
      socket.write(push);
      if (socket.writableLength > MAX_PENDING_BYTES) socket.destroy();
    }
    return count;
  }

  count(name: string): number {
    return this.#subscribers.get(name)?.size ?? 0;
  }

  hasSubscriber(socket: Socket): boolean {
    return this.#names.has(socket);
  }
}

/** All channels of the server. */
export class PubSub {
  readonly #channels = new Channels("");
  readonly #shardChannels = new Channels("s");

  /** Runs a command that changes the subscriptions of a connection. @returns `undefined` for other commands. */
  change(socket: Socket, name: string, args: readonly string[]): readonly Reply[] | undefined {
    switch (name) {
      case "subscribe":
        return this.#channels.subscribe(socket, args);
      case "ssubscribe":
        return this.#shardChannels.subscribe(socket, args);
      case "unsubscribe":
        return this.#channels.unsubscribe(socket, args);
      case "sunsubscribe":
        return this.#shardChannels.unsubscribe(socket, args);
      case "ping":
        return this.#isSubscriber(socket) ? [["pong", args[0] ?? ""]] : undefined;
      default:
        return undefined;
    }
  }

  /** Runs a command for any connection, which may be in a script. @returns `undefined` for other commands. */
  run(name: string, args: readonly string[]): Reply | undefined {
    switch (name) {
      case "publish":
        return this.#channels.publish(args);
      case "spublish":
        return this.#shardChannels.publish(args);
      case "pubsub": {
        const [word, ...names] = args;
        const channels = word?.toLowerCase() === "shardnumsub" ? this.#shardChannels : this.#channels;
        return names.flatMap((each) => [each, channels.count(each)]);
      }
      default:
        return undefined;
    }
  }

  /** @throws {CommandError} if the connection has subscriptions, and the command is not for such a connection. */
  requireContext(socket: Socket, name: string): void {
    if (!this.#isSubscriber(socket) || SUBSCRIBER_COMMANDS.has(name)) return;
    throw new CommandError(
      `ERR Can't execute '${name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context`,
    );
  }

  /** Ends the subscriptions of a connection. */
  remove(socket: Socket): void {
    this.#channels.unsubscribe(socket, []);
    this.#shardChannels.unsubscribe(socket, []);
  }

  #isSubscriber(socket: Socket): boolean {
    return this.#channels.hasSubscriber(socket) || this.#shardChannels.hasSubscriber(socket);
  }
}

/** The channels that a command needs permission for. */
export function channelsOf(name: string, args: readonly string[]): readonly string[] {
  if (name === "subscribe" || name === "ssubscribe") return args;
  return name === "publish" || name === "spublish" ? args.slice(0, 1) : [];
}

function wrongArguments(name: string): CommandError {
  return new CommandError(`ERR wrong number of arguments for '${name}' command`);
}
