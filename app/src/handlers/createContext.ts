import type { Logger } from "pino";

import { createUserKey } from "../auth/users.ts";
import { readHistory } from "../channel/history.ts";
import type { HistoryRange } from "../channel/history.ts";
import type { Hub, PublishRequest } from "../channel/hub.ts";
import { IdInUseError } from "../log/log.ts";
import type { Appended, LogEntry } from "../log/log.ts";
import { unpackRecord } from "../log/record.ts";
import type { Metrics } from "../metrics/metrics.ts";
import { CHANNEL_NAME_RULE, fromWireName } from "../wire/channelName.ts";
import { CloseCode } from "../wire/closeCode.ts";
import { isTooDeep } from "../wire/jsonText.ts";
import { MAX_DEPTH, MAX_EPOCH_BYTES, MAX_ID_BYTES, MAX_LAST } from "../wire/messages.ts";
import { isId } from "../wire/parseValue.ts";
import { isUser } from "./authorization.ts";
import type {
  HandlerContext,
  History,
  HistoryMessage,
  HistoryRequest,
  JsonValue,
  PublishOptions,
} from "./context.ts";
import { Rejection } from "./rejection.ts";

/** @see https://www.rfc-editor.org/rfc/rfc6455#section-5.5 */
const MAX_REASON_BYTES = 123;

/** Codes of RFC 6455 that an application may use, and the first and last one of its own. */
const CLOSE_CODES: readonly number[] = [1000, CloseCode.policyViolation];
const [FIRST_OWN_CODE, LAST_OWN_CODE] = [3000, 4999];

export interface ContextParts {
  readonly hub: Hub;
  readonly metrics: Metrics;
  readonly maxPayloadBytes: number;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Closes the connections of a user to this task. Returns their number. @param userKey from `createUserKey`. */
  readonly closeUser: (userKey: string, code: number | undefined, reason: string | undefined) => number;
}

export function createContext(parts: ContextParts): HandlerContext {
  const { hub, logger, signal, environment, closeUser } = parts;
  return {
    publish: async (name, value, { id, from }: PublishOptions = {}) => {
      const channel = parseChannel(name);
      const payload = encode(value, parts.maxPayloadBytes);
      if (id !== undefined && !isId(id)) throw wrong("id", id, `a string of 1 to ${MAX_ID_BYTES} bytes`);
      if (from !== undefined && !isUser(from)) throw wrong("from", from, "a user of at most 256 bytes");
      const user = from === undefined ? undefined : createUserKey(from, "");
      const { epoch, offset } = await append(parts, { channel, payload, id, publisher: from, user });
      return { epoch, offset };
    },
    history: async (name, request) => {
      const channel = parseChannel(name);
      checkRequest(request);
      const found = await readHistory(hub.log, channel, toRange(request)).catch((error: unknown) => {
        throw new Rejection("unavailable", "The log cannot be read now.", { cause: error });
      });
      return {
        epoch: found.epoch,
        messages: found.entries.map(toMessage),
        ...(found.gap !== undefined && { gap: found.gap }),
        ...(found.hasMore && { more: true }),
      } satisfies History;
    },
    disconnect: (user, { code, reason } = {}) => {
      if (!isUser(user)) throw wrong("user", user, "a user of at most 256 bytes");
      if (code !== undefined && !isCloseCode(code))
        throw wrong("code", code, `${CLOSE_CODES.join(", ")}, or ${FIRST_OWN_CODE} to ${LAST_OWN_CODE}`);
      if (reason !== undefined && Buffer.byteLength(reason) > MAX_REASON_BYTES)
        throw wrong("reason", reason, `at most ${MAX_REASON_BYTES} bytes`);
      return closeUser(createUserKey(user, ""), code, reason);
    },
    logger,
    signal,
    environment,
  };
}

function isCloseCode(code: number): boolean {
  return (
    CLOSE_CODES.includes(code) || (Number.isInteger(code) && code >= FIRST_OWN_CODE && code <= LAST_OWN_CODE)
  );
}

/** @throws {Rejection} if the message was not stored, or may not have been. */
async function append(
  { hub, metrics: { counts } }: ContextParts,
  request: PublishRequest,
): Promise<Appended> {
  try {
    const appended = await hub.publish(request);
    if (appended.duplicate) counts.duplicates += 1;
    else counts.published += 1;
    return appended;
  } catch (error) {
    if (error instanceof IdInUseError)
      throw new Rejection("id_in_use", "Another message with this id is stored.", { cause: error });
    throw new Rejection("unavailable", "The message was not stored.", { cause: error });
  }
}

function parseChannel(name: string): string {
  const channel = fromWireName(name);
  if (channel === undefined) throw wrong("channel", name, `a channel. ${CHANNEL_NAME_RULE}`);
  return channel;
}

function encode(value: unknown, maxBytes: number): string {
  // The types of the engine's library do not have this result.
  const json = JSON.stringify(value) as string | undefined;
  if (json === undefined) throw wrong("value", typeof value, "a JSON value");
  const bytes = Buffer.byteLength(json);
  if (bytes > maxBytes) throw wrong("value", `${bytes} bytes`, `at most ${maxBytes} (maxPayloadBytes)`);
  if (isTooDeep(json, MAX_DEPTH)) throw wrong("value", "a deeper one", `at most ${MAX_DEPTH} levels`);
  return json;
}

function toMessage({ offset, record }: LogEntry): HistoryMessage {
  const { payload, from } = unpackRecord(record);
  const message = JSON.parse(payload) as JsonValue;
  return from === undefined ? { offset, message } : { offset, message, from };
}

function toRange(request: HistoryRequest): HistoryRange {
  if ("last" in request) return request;
  const { epoch, offset, limit = MAX_LAST } = request;
  return { after: { epoch, offset }, limit };
}

function checkRequest(request: HistoryRequest): void {
  const number = "last" in request ? request.last : (request.limit ?? MAX_LAST);
  const name = "last" in request ? "last" : "limit";
  if (!Number.isInteger(number) || number < 1 || number > MAX_LAST)
    throw wrong(name, number, `a whole number from 1 to ${MAX_LAST}`);
  if ("last" in request) return;
  const { epoch, offset } = request;
  if (typeof epoch !== "string" || Buffer.byteLength(epoch) > MAX_EPOCH_BYTES)
    throw wrong("epoch", epoch, `a string of at most ${MAX_EPOCH_BYTES} bytes`);
  if (!Number.isSafeInteger(offset) || offset < 0) throw wrong("offset", offset, "a whole number from 0");
}

function wrong(name: string, got: unknown, expected: string): TypeError {
  // As above.
  const shown = JSON.stringify(got) as string | undefined;
  return new TypeError(
    `\`${name}\`: got ${(shown ?? typeof got).slice(0, MAX_SHOWN)}; expected ${expected}.`,
  );
}

/** Maximum number of characters of a wrong value in an error. */
const MAX_SHOWN = 200;
