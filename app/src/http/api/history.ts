/** Retained messages by HTTP. */
import type { RequestHandler, Response } from "express";

import type { User } from "../../auth/users.ts";
import { MAX_HISTORY_BYTES, readHistory } from "../../channel/history.ts";
import type { History, HistoryRange } from "../../channel/history.ts";
import { MAY_NOT_SUBSCRIBE, USER_LIMITS } from "../../connection/channels/answers.ts";
import type { ConnectionContext } from "../../connection/connectionContext.ts";
import { unpackRecord } from "../../log/record.ts";
import { Problem } from "../problem.ts";
import { readChannel, readRange } from "./parameters.ts";
import { askToRead } from "./reading.ts";
import type { Requester, Requesters } from "./requesters.ts";

/** Maximum numbers of reads at a time: of a task, of one user, and of all backends. Each holds an answer. */
export const MAX_READS = 32;
export const MAX_READS_PER_USER = 8;
export const MAX_READS_OF_BACKENDS = 16;

export interface HistoryParts {
  readonly context: ConnectionContext;
  readonly requesters: Requesters;
}

/** Creates the handler of `GET /channels/NAME/messages`. */
export function createHistoryHandler({ context, requesters }: HistoryParts): RequestHandler {
  const reads = new Reads(context.metrics);

  const read = async (requester: Requester, channel: string, range: HistoryRange): Promise<History> => {
    const { user } = requester;
    const endReading = await askToRead(context, requester, channel);
    // The channel may be new to the log, as if the user subscribed to it.
    const limit = user.enter(channel);
    if (limit !== undefined) {
      endReading();
      context.metrics.count("usersLimited", limit);
      throw Problem.of(USER_LIMITS[limit]);
    }
    try {
      const maxBytes = Math.min(MAX_HISTORY_BYTES, user.burstBytes);
      return await readHistory(context.hub.log, channel, range, maxBytes);
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
  };

  return async (request, response) => {
    const channel = readChannel(request);
    const range = readRange(request);
    const requester = await requesters.identify(request);
    if (!requester.access.rightsIn(channel).canSubscribe) throw Problem.of(MAY_NOT_SUBSCRIBE);
    reads.begin(requester);
    try {
      // The size is unknown before the read, but a user without bytes causes none.
      requesters.chargeBytes(requester, 1);
      const history = await read(requester, channel, range);
      requester.user.spend(history.bytes);
      sendHistory(response, history, context);
    } finally {
      reads.end(requester);
    }
  };
}

/** The reads at the moment. */
class Reads {
  readonly #metrics: ConnectionContext["metrics"];
  readonly #byUser = new Map<User, number>();
  #total = 0;

  constructor(metrics: ConnectionContext["metrics"]) {
    this.#metrics = metrics;
  }

  /** Counts a read; {@link end} must be called once for it. @throws {Problem} if there are too many. */
  begin({ user, isBackend }: Requester): void {
    const reads = this.#byUser.get(user) ?? 0;
    if (reads >= (isBackend ? MAX_READS_OF_BACKENDS : MAX_READS_PER_USER)) {
      this.#metrics.count("usersLimited", "requests");
      throw new Problem("rate_limited", "The user reads too much at a time; send the request again later.");
    }
    if (this.#total >= MAX_READS) {
      throw new Problem("unavailable", "The server reads too much at a time; send the request again later.");
    }
    this.#byUser.set(user, reads + 1);
    this.#total += 1;
  }

  end({ user }: Requester): void {
    const reads = (this.#byUser.get(user) ?? 0) - 1;
    if (reads > 0) this.#byUser.set(user, reads);
    else this.#byUser.delete(user);
    this.#total -= 1;
  }
}

/** The values are not parsed again. */
function sendHistory(
  response: Response,
  { epoch, entries, gap, hasMore }: History,
  { untaken }: Pick<ConnectionContext, "untaken">,
): void {
  // No event follows that would release the bytes.
  if (response.destroyed) return;
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
