/** Retained messages by HTTP. */
import type { RequestHandler, Response } from "express";

import { MAY_NOT_SUBSCRIBE, USER_LIMITS } from "../../connection/channels/answers.ts";
import type { ConnectionContext } from "../../connection/connectionContext.ts";
import type { LogEntry, LogPosition, MessageLog } from "../../log/log.ts";
import { unpackRecord } from "../../log/record.ts";
import { KIB, MIB } from "../../settings/units.ts";
import type { Gap } from "../../wire/messages.ts";
import { Problem } from "../problem.ts";
import type { HistoryRange } from "./parameters.ts";
import { readChannel, readRange } from "./parameters.ts";
import type { Requesters } from "./requesters.ts";

/** Size of the records of an answer, except for a single larger message. The client requests the next ones. */
export const MAX_HISTORY_BYTES = MIB;
const PAGE_BYTES = 256 * KIB;

export interface HistoryParts {
  readonly context: ConnectionContext;
  readonly requesters: Requesters;
}

/** Creates the handler of `GET /channels/NAME/messages`. */
export function createHistoryHandler({ context, requesters }: HistoryParts): RequestHandler {
  return async (request, response) => {
    const channel = readChannel(request);
    const range = readRange(request);
    const requester = await requesters.identify(request);
    if (!requester.access.rightsIn(channel).canSubscribe) throw Problem.of(MAY_NOT_SUBSCRIBE);
    const { user } = requester;
    // The channel may be new to the log, as if the user subscribed to it.
    const limit = user.enter(channel);
    if (limit !== undefined) {
      context.metrics.count("usersLimited", limit);
      throw Problem.of(USER_LIMITS[limit]);
    }
    let history: History;
    try {
      history = await readHistory(context.hub.log, channel, range);
    } catch (error) {
      context.logger.debug({ err: error, channel }, "history not read");
      throw new Problem(
        "unavailable",
        "The server cannot read the channel now; send the request again later.",
      );
    } finally {
      user.exit(channel);
    }
    requesters.chargeBytes(requester, history.bytes);
    sendHistory(response, history, context);
  };
}

interface History {
  readonly epoch: string;
  readonly entries: readonly LogEntry[];
  /** Size of the records. */
  readonly bytes: number;
  /** Messages that the client has asked for, and that the log does not have. */
  readonly gap: Gap | undefined;
  /** Whether there are later messages. */
  readonly hasMore: boolean;
}

async function readHistory(log: MessageLog, channel: string, range: HistoryRange): Promise<History> {
  const end = await log.end(channel);
  const isLast = "last" in range;
  const wanted: LogPosition = isLast
    ? { epoch: end.epoch, next: Math.max(1, end.next - range.last) }
    : { epoch: range.after.epoch, next: Math.min(range.after.offset + 1, Number.MAX_SAFE_INTEGER) };
  const limit = isLast ? range.last : range.limit;

  const entries: LogEntry[] = [];
  let bytes = 0;
  let position = wanted;
  let start: LogPosition | undefined;
  while (entries.length < limit && bytes < MAX_HISTORY_BYTES) {
    const page = await log.read(channel, position, Math.min(PAGE_BYTES, MAX_HISTORY_BYTES - bytes));
    start ??= page.from;
    // The log has dropped entries meanwhile. The next request reports them.
    if (page.from.epoch !== start.epoch || (entries.length > 0 && page.from.next !== position.next)) break;
    const taken = page.entries.slice(0, limit - entries.length);
    for (const { record } of taken) bytes += Buffer.byteLength(record);
    entries.push(...taken);
    position = { epoch: start.epoch, next: page.from.next + taken.length };
    if (taken.length === 0 || (position.epoch === end.epoch && position.next >= end.next)) break;
  }
  const from = start ?? end;
  return {
    epoch: from.epoch,
    entries,
    bytes,
    gap: isLast ? undefined : findGap(wanted, from),
    hasMore: position.epoch === end.epoch && position.next < end.next,
  };
}

/** Returns the messages between the position that was requested and the one that the log has. */
function findGap(wanted: LogPosition, from: LogPosition): Gap | undefined {
  const { epoch, next } = wanted;
  if (epoch !== from.epoch) return { epoch, from: next };
  if (from.next > next) return { epoch, from: next, to: from.next - 1 };
  // The client names a message that the log does not have.
  return from.next < next ? { epoch, from: from.next } : undefined;
}

/** The values are not parsed again. */
function sendHistory(
  response: Response,
  { epoch, entries, gap, hasMore }: History,
  { untaken }: Pick<ConnectionContext, "untaken">,
): void {
  const messages = entries.map(({ offset, record }) => {
    const { payload, from } = unpackRecord(record);
    const end = from === undefined ? "}" : `,"from":${JSON.stringify(from)}}`;
    return `{"offset":${offset},"message":${payload}${end}`;
  });
  const rest = `${gap === undefined ? "" : `,"gap":${JSON.stringify(gap)}`}${hasMore ? ',"more":true' : ""}`;
  const body = Buffer.from(`{"epoch":${JSON.stringify(epoch)},"messages":[${messages.join(",")}]${rest}}`);
  const recipient = {
    onTooMuchUntaken() {
      response.destroy();
    },
  };
  response.once("close", () => {
    untaken.release(recipient, body);
  });
  untaken.keep(recipient, body, body.length);
  response.set("Cache-Control", "no-store").type("json").end(body);
}
