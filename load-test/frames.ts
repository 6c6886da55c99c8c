/** The messages of `channels.v1` that the load test receives. */
import { isObject, parseObject } from "./json.ts";

/** A message in the log of its channel. */
export interface Position {
  readonly epoch: string;
  readonly offset: number;
}

export type Frame =
  | { readonly kind: "greeting" }
  | { readonly kind: "subscribed"; readonly channel: string; readonly position: Position }
  | { readonly kind: "message"; readonly channel: string; readonly offset: number; readonly message: unknown }
  | { readonly kind: "gap"; readonly channel: string }
  | { readonly kind: "error"; readonly error: unknown };

/** @returns `undefined` for any other message. */
export function parseFrame(text: string): Frame | undefined {
  const frame = parseObject(text);
  if (frame === undefined) return undefined;
  const { channel, offset, subscribed, epoch, gap } = frame;
  if ("message" in frame && typeof channel === "string" && typeof offset === "number")
    return { kind: "message", channel, offset, message: frame["message"] };
  if (typeof subscribed === "string" && typeof epoch === "string" && typeof offset === "number")
    return { kind: "subscribed", channel: subscribed, position: { epoch, offset } };
  if (isObject(gap) && typeof gap["channel"] === "string") return { kind: "gap", channel: gap["channel"] };
  if ("error" in frame) return { kind: "error", error: frame["error"] };
  return frame["connection"] === "ok" ? { kind: "greeting" } : undefined;
}

/** The code of an error of the server. */
export function codeOf(error: unknown): string {
  return isObject(error) && typeof error["code"] === "string" ? error["code"] : JSON.stringify(error);
}
