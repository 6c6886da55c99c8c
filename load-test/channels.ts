/** The channels of a run, and which connection subscribes to which of them. */
import type { CommonOptions } from "./options.ts";

/** Name of the default channel in `channels.v1`. */
export const DEFAULT_CHANNEL = "/";

/** Instead of the default channel, if there are several: its name cannot be part of another one. */
const DEFAULT_PREFIX = "load-test";

/** PROTOCOL.md has this rule. */
const CHANNEL_NAME = /^(?!\.{1,2}$)[A-Za-z0-9._~-]{1,64}$/;

export const CHANNEL_NAME_RULE =
  "1 to 64 letters, digits, '.', '_', '~' and '-', together with a number, or /";

/** Returns whether each channel of a run has a valid name. */
export function areValidNames(channel: string, channels: number): boolean {
  return (
    channel === DEFAULT_CHANNEL || CHANNEL_NAME.test(channels === 1 ? channel : nameOf(channel, channels))
  );
}

export class Channels {
  readonly #names: readonly string[];
  /** Channels of each connection. */
  readonly #subscriptions: number;

  constructor({
    channel,
    channels,
    subscriptions,
  }: Pick<CommonOptions, "channel" | "channels" | "subscriptions">) {
    const prefix = channel === DEFAULT_CHANNEL ? DEFAULT_PREFIX : channel;
    this.#names =
      channels === 1 ? [channel] : Array.from({ length: channels }, (_, n) => nameOf(prefix, n + 1));
    this.#subscriptions = subscriptions;
  }

  /** The channel of a connection's nth message. */
  next(connection: number, n: number): string {
    const index = connection * this.#subscriptions + (n % this.#subscriptions);
    return this.#names[index % this.#names.length] ?? DEFAULT_CHANNEL;
  }

  /** The channels of a connection. All channels have the same number of connections, or one less. */
  of(connection: number): readonly string[] {
    return Array.from({ length: this.#subscriptions }, (_, n) => this.next(connection, n));
  }
}

function nameOf(prefix: string, number: number): string {
  return `${prefix}.${number}`;
}
