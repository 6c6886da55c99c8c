/** The frames that the server sends. @see PROTOCOL.md */
import type { Gap, Opened, Position } from "../api/events.ts";

export interface MessageFrame {
  readonly kind: "message";
  readonly channel: string;
  readonly value: unknown;
  readonly offset: number;
  readonly from: string | undefined;
  /** Characters of the frame. */
  readonly size: number;
}

export interface AckFrame extends Position {
  readonly kind: "ack";
  readonly id: string;
  readonly isDuplicate: boolean;
}

export interface ErrorFrame {
  readonly kind: "error";
  readonly code: string;
  readonly message: string;
  readonly channel: string | undefined;
  readonly id: string | undefined;
}

export type Frame =
  | { readonly kind: "greeting"; readonly greeting: Opened }
  | ({ readonly kind: "subscribed"; readonly channel: string } & Position)
  | { readonly kind: "unsubscribed"; readonly channel: string }
  | MessageFrame
  | AckFrame
  | ErrorFrame
  | { readonly kind: "gap"; readonly channel: string; readonly gap: Gap }
  | { readonly kind: "heartbeat"; readonly seconds: number }
  /** A frame of a later version of the protocol. */
  | { readonly kind: "unknown" };

/** The errors after which the client sends the same request again. */
export const TEMPORARY_CODES: ReadonlySet<string> = new Set(["rate_limited", "unavailable"]);

/** Returns undefined if the data is not a frame of the protocol. */
export function parseFrame(data: unknown): Frame | undefined {
  if (typeof data !== "string") return undefined;
  let frame: unknown;
  try {
    frame = JSON.parse(data);
  } catch {
    return undefined;
  }
  if (!isObject(frame)) return undefined;
  const { connection, subscribed, unsubscribed, channel, ack, error, gap, offset, heartbeat } = frame;
  if ("message" in frame) {
    return isString(channel) && isOffset(offset)
      ? {
          kind: "message",
          channel,
          value: frame["message"],
          offset,
          from: optional(frame["from"], isString),
          size: data.length,
        }
      : undefined;
  }
  if (subscribed !== undefined) {
    return isString(subscribed) && isPosition(frame)
      ? { kind: "subscribed", channel: subscribed, epoch: frame.epoch, offset: frame.offset }
      : undefined;
  }
  if (ack !== undefined) {
    return isString(ack) && isPosition(frame)
      ? {
          kind: "ack",
          id: ack,
          epoch: frame.epoch,
          offset: frame.offset,
          isDuplicate: frame["duplicate"] === true,
        }
      : undefined;
  }
  if (gap !== undefined) return parseGap(gap);
  if (error !== undefined) return parseError(error);
  if (unsubscribed !== undefined) {
    return isString(unsubscribed) ? { kind: "unsubscribed", channel: unsubscribed } : undefined;
  }
  if (connection !== undefined) return parseGreeting(frame);
  if (heartbeat !== undefined) {
    return isPositive(heartbeat) ? { kind: "heartbeat", seconds: heartbeat } : undefined;
  }
  return { kind: "unknown" };
}

function parseGreeting({ heartbeat, user, expiresIn }: Fields): Frame | undefined {
  if (!isPositive(heartbeat)) return undefined;
  return {
    kind: "greeting",
    greeting: {
      heartbeat,
      ...(isString(user) && { user }),
      ...(isOffset(expiresIn) && { expiresIn }),
    },
  };
}

function parseError(value: unknown): Frame | undefined {
  if (!isObject(value)) return undefined;
  const { code, message, channel, id } = value;
  return {
    kind: "error",
    code: String(code),
    message: String(message),
    channel: optional(channel, isString),
    id: optional(id, isString),
  };
}

function parseGap(value: unknown): Frame | undefined {
  if (!isObject(value)) return undefined;
  const { channel, epoch, from, to } = value;
  if (!isString(channel) || !isString(epoch) || !isOffset(from)) return undefined;
  if (to === undefined) return { kind: "gap", channel, gap: { epoch, from } };
  return isOffset(to) ? { kind: "gap", channel, gap: { epoch, from, to } } : undefined;
}

type Fields = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is Fields {
  return typeof value === "object" && value !== null;
}

function isString(value: unknown): value is string {
  return typeof value === "string";
}

function isOffset(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

function isPosition(frame: Fields): frame is Fields & Position {
  return isString(frame["epoch"]) && isOffset(frame["offset"]);
}

function isPositive(value: unknown): value is number {
  return typeof value === "number" && value > 0;
}

function optional<Value>(value: unknown, is: (value: unknown) => value is Value): Value | undefined {
  return is(value) ? value : undefined;
}
