/** What handlers can use. */
import type { Logger } from "pino";

/** A value that JSON can express. */
export type JsonValue = string | number | boolean | null | JsonValue[] | { [key: string]: JsonValue };

/** A value that can be stored: anything that `JSON.stringify` turns into text, but no promise and not `undefined`. */
export type Storable = JsonValue | (object & { readonly then?: undefined });

export interface PublishOptions {
  /** Prevents that the message is stored twice: at most 128 bytes. @default the message is stored in any case */
  readonly id?: string;
  /** The user that clients receive as `from`: at most 256 bytes. @default none */
  readonly from?: string;
}

/** The position of a stored message. */
export interface Position {
  readonly epoch: string;
  readonly offset: number;
}

/** The newest messages, or those after a position. */
export type HistoryRequest =
  | {
      /** Maximum number of messages, from 1 to 1,000. */
      readonly last: number;
    }
  | {
      readonly epoch: string;
      /** The offset of the last message that the caller has. */
      readonly offset: number;
      /** Maximum number of messages, from 1 to 1,000. @default 1000 */
      readonly limit?: number;
    };

export interface HistoryMessage {
  readonly offset: number;
  readonly message: JsonValue;
  /** The user that published it; absent if there is none. */
  readonly from?: string;
}

/** Retained messages of a channel, in order. Together they have at most 1 MiB, except for a single larger one. */
export interface History {
  /** The epoch of all offsets. */
  readonly epoch: string;
  readonly messages: readonly HistoryMessage[];
  /** Messages after the requested position that are not retained. Without `to`, their number is unknown. */
  readonly gap?: { readonly epoch: string; readonly from: number; readonly to?: number };
  /** There are later messages, which did not fit. @default false */
  readonly more?: true;
}

export interface DisconnectOptions {
  /** Close code: 1000, 1008, or 3000 to 4999. @default 1008 */
  readonly code?: number;
  /** Reason of the Close frame: at most 123 bytes. @default "disconnected by the application" */
  readonly reason?: string;
}

/** The arguments are checked: every function throws a `TypeError` if one is wrong. */
export interface HandlerContext {
  /**
   * Publishes a message. `onPublish` is not called, and no right or rate is checked.
   * @param channel its name; `/` is the default channel.
   * @param value at most `maxPayloadBytes` as JSON.
   * @throws {Rejection} `unavailable` if the message was not stored, or may not have been; `id_in_use` if another message has
   *   the id.
   */
  readonly publish: (channel: string, value: Storable, options?: PublishOptions) => Promise<Position>;
  /**
   * Reads retained messages.
   * @throws {Rejection} `unavailable` if the log cannot be read.
   */
  readonly history: (channel: string, request: HistoryRequest) => Promise<History>;
  /**
   * Closes the connections of a user to this task.
   * @param user the subject of their token, or the user that `authorize` has returned.
   * @returns the number of connections.
   */
  readonly disconnect: (user: string, options?: DisconnectOptions) => number;
  readonly logger: Logger;
  /** Aborted when the server begins to shut down. */
  readonly signal: AbortSignal;
  /** The environment of the process when it started. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}
