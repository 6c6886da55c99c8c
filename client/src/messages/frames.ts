/** The frames that the server sends. @see PROTOCOL.md */
import type { Gap } from "../api/events.ts";

export interface Greeting {
  readonly kind: "greeting";
  readonly epoch: string;
  readonly offset: number;
  /** Seconds. */
  readonly heartbeat: number;
}

export interface MessageFrame {
  readonly kind: "message";
  readonly message: unknown;
  readonly offset: number;
  /** Characters of the frame. */
  readonly size: number;
}

export type Frame =
  | Greeting
  | MessageFrame
  /** Servers of an earlier version send no epoch. */
  | { readonly kind: "ack"; readonly id: string; readonly epoch: string | undefined; readonly offset: number }
  | {
      readonly kind: "error";
      readonly id: string | undefined;
      readonly code: string;
      readonly message: string;
    }
  | { readonly kind: "gap"; readonly gap: Gap }
  | { readonly kind: "heartbeat"; readonly seconds: number }
  /** A frame of a later version of the protocol. */
  | { readonly kind: "unknown" }
  | { readonly kind: "malformed" };

const MALFORMED: Frame = { kind: "malformed" };

export function parseFrame(data: unknown): Frame {
  if (typeof data !== "string") return MALFORMED;
  let value: unknown;
  try {
    value = JSON.parse(data);
  } catch {
    return MALFORMED;
  }
  if (!isObject(value)) return MALFORMED;
  const { connection, message, ack, error, gap, epoch, offset, heartbeat } = value;
  if ("message" in value) {
    return isOffset(offset) ? { kind: "message", message, offset, size: data.length } : MALFORMED;
  }
  if (connection !== undefined) {
    return typeof epoch === "string" && isOffset(offset) && isInterval(heartbeat)
      ? { kind: "greeting", epoch, offset, heartbeat }
      : MALFORMED;
  }
  if (ack !== undefined) {
    if (typeof ack !== "string" || !isOffset(offset)) return MALFORMED;
    return { kind: "ack", id: ack, epoch: typeof epoch === "string" ? epoch : undefined, offset };
  }
  if (error !== undefined) return parseError(error);
  if (gap !== undefined) return parseGap(gap);
  if (heartbeat !== undefined) {
    return isInterval(heartbeat) ? { kind: "heartbeat", seconds: heartbeat } : MALFORMED;
  }
  return { kind: "unknown" };
}

function parseError(value: unknown): Frame {
  if (!isObject(value)) return MALFORMED;
  const { code, message, id } = value;
  return {
    kind: "error",
    id: typeof id === "string" ? id : undefined,
    code: String(code),
    message: String(message),
  };
}

function parseGap(value: unknown): Frame {
  if (!isObject(value)) return MALFORMED;
  const { epoch, from, to } = value;
  if (typeof epoch !== "string" || !isOffset(from)) return MALFORMED;
  if (to === undefined) return { kind: "gap", gap: { epoch, from } };
  return isOffset(to) ? { kind: "gap", gap: { epoch, from, to } } : MALFORMED;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

function isOffset(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

function isInterval(value: unknown): value is number {
  return typeof value === "number" && value > 0;
}
