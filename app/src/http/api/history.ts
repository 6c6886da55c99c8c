/** Retained messages by HTTP. */
import type { RequestHandler, Response } from "express";

import { readHistory } from "../../channel/history.ts";
import type { History } from "../../channel/history.ts";
import { MAY_NOT_SUBSCRIBE, USER_LIMITS } from "../../connection/channels/answers.ts";
import type { ConnectionContext } from "../../connection/connectionContext.ts";
import { unpackRecord } from "../../log/record.ts";
import { Problem } from "../problem.ts";
import { readChannel, readRange } from "./parameters.ts";
import { askToRead } from "./reading.ts";
import type { Requesters } from "./requesters.ts";

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
    const endReading = await askToRead(context, requester, channel);
    const { user } = requester;
    // The channel may be new to the log, as if the user subscribed to it.
    const limit = user.enter(channel);
    if (limit !== undefined) {
      endReading();
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
      endReading();
    }
    requesters.chargeBytes(requester, history.bytes);
    sendHistory(response, history, context);
  };
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
