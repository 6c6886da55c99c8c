/** The parameters of requests: the channel in the path, and the position in the query. */
import type { Request } from "express";

import type { HistoryRange } from "../../channel/history.ts";
import type { ResumePoint, Start } from "../../channel/cursor.ts";
import { quoteValue } from "../../settings/definition.ts";
import { CHANNEL_NAME_RULE, fromWireName } from "../../wire/channelName.ts";
import { MAX_EPOCH_BYTES, MAX_LAST } from "../../wire/messages.ts";
import { Problem } from "../problem.ts";

/** Maximum number of characters of an illegal value in an answer. */
const MAX_QUOTED_CHARACTERS = 64;

/** Number of messages if a request names none. */
export const DEFAULT_MESSAGES = 50;

/** Maximum number of messages in an answer. */
export const MAX_MESSAGES = MAX_LAST;

/** Returns the channel in the path. @throws {Problem} if no channel can have the name. */
export function readChannel({ params }: Request): string {
  const { channel: name } = params;
  const channel = typeof name === "string" ? fromWireName(name) : undefined;
  if (channel === undefined)
    throw new Problem("invalid_channel", `${CHANNEL_NAME_RULE} The default channel is %2F.`);
  return channel;
}

/** @throws {Problem} if a parameter is unknown or not legal. */
export function readRange({ query }: Request): HistoryRange {
  checkNames(query, ["last", "epoch", "offset", "limit"]);
  const { last, limit } = query;
  const after = readPosition(query);
  if (after === undefined) {
    if (limit !== undefined) throw illegal("limit", limit, "no `limit` without `epoch` and `offset`");
    return { last: readNumber("last", last, 1, MAX_MESSAGES, DEFAULT_MESSAGES) };
  }
  return { after, limit: readNumber("limit", limit, 1, MAX_MESSAGES, DEFAULT_MESSAGES) };
}

/**
 * Returns where an event stream starts. The id of the last event takes precedence, because a browser requests the same URL again.
 * @throws {Problem} if a parameter is unknown or not legal.
 */
export function readStart({ query, headers }: Request): Start {
  checkNames(query, ["last", "epoch", "offset"]);
  const id = headers["last-event-id"];
  if (id !== undefined && id !== "") return parseEventId(String(id));
  const { last } = query;
  const after = readPosition(query);
  if (after !== undefined) return after;
  return last === undefined ? "end" : { last: readNumber("last", last, 1, MAX_MESSAGES, 1) };
}

/** Returns the id of the event of a message. */
export function formatEventId(epoch: string, offset: number): string {
  return `${epoch}-${offset}`;
}

function parseEventId(id: string): ResumePoint {
  const separator = id.lastIndexOf("-");
  return {
    epoch: checkEpoch("Last-Event-ID", id.slice(0, Math.max(separator, 0))),
    offset: readNumber("Last-Event-ID", id.slice(separator + 1), 0, Number.MAX_SAFE_INTEGER, 0),
  };
}

type Query = Readonly<Record<string, unknown>>;

function readPosition({ last, epoch, offset }: Query): ResumePoint | undefined {
  if (epoch === undefined && offset === undefined) return undefined;
  if (last !== undefined) throw illegal("last", last, "either `last`, or `epoch` and `offset`");
  if (epoch === undefined) throw illegal("epoch", epoch, "`epoch` and `offset` together");
  if (offset === undefined) throw illegal("offset", offset, "`epoch` and `offset` together");
  return {
    epoch: checkEpoch("epoch", epoch),
    offset: readNumber("offset", offset, 0, Number.MAX_SAFE_INTEGER, 0),
  };
}

function checkEpoch(key: string, epoch: unknown): string {
  if (typeof epoch === "string" && epoch !== "" && Buffer.byteLength(epoch) <= MAX_EPOCH_BYTES) return epoch;
  throw illegal(key, epoch, `an epoch of 1 to ${MAX_EPOCH_BYTES} bytes`);
}

function readNumber(key: string, text: unknown, min: number, max: number, otherwise: number): number {
  if (text === undefined) return otherwise;
  const number = typeof text === "string" && /^\d{1,16}$/.test(text) ? Number(text) : NaN;
  if (number >= min && number <= max) return number;
  throw illegal(key, text, `a whole number from ${min} to ${max}`);
}

function checkNames(query: Query, known: readonly string[]): void {
  const unknown = Object.keys(query).find((name) => !known.includes(name));
  if (unknown === undefined) return;
  const name = unknown.slice(0, MAX_QUOTED_CHARACTERS);
  throw new Problem(
    "invalid_request",
    `\`${name}\`: got an unknown parameter; expected one of ${known.join(", ")}.`,
  );
}

function illegal(key: string, value: unknown, expected: string): Problem {
  const got =
    value === undefined
      ? "nothing"
      : typeof value === "string"
        ? quoteValue(value.slice(0, MAX_QUOTED_CHARACTERS))
        : "several values";
  return new Problem("invalid_request", `\`${key}\`: got ${got}; expected ${expected}.`);
}
