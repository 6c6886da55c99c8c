/** Publishing by HTTP: one message, or many as NDJSON. */
import type { RequestHandler } from "express";

import { MAY_NOT_PUBLISH } from "../../../connection/channels/answers.ts";
import type { ConnectionContext } from "../../../connection/connectionContext.ts";
import { createPublishes } from "../../../connection/handledPublishes.ts";
import { isError } from "../../../connection/publishes.ts";
import type { Publish, Publishes, PublishResult } from "../../../connection/publishes.ts";
import type { Settings } from "../../../settings/settings.ts";
import { MIB } from "../../../settings/units.ts";
import { MAX_ID_BYTES } from "../../../wire/messages.ts";
import { parsePlain } from "../../../wire/parsePlain.ts";
import { isId } from "../../../wire/parseValue.ts";
import { Problem, problemLabel } from "../../problem.ts";
import { parseLine } from "./batchLine.ts";
import { readBody } from "../../body.ts";
import { readChannel } from "../parameters.ts";
import type { Requester, Requesters } from "../requesters.ts";

export const JSON_TYPE = "application/json";
export const NDJSON_TYPE = "application/x-ndjson";

/** Limits of a request with many messages. */
export const MAX_BATCH_BYTES = MIB;
export const MAX_BATCH_MESSAGES = 100;

export interface PublishingParts {
  readonly settings: Pick<Settings, "maxPayloadBytes">;
  readonly context: ConnectionContext;
  readonly requesters: Requesters;
}

/** The answer to a stored message. */
interface Position {
  readonly epoch: string;
  readonly offset: number;
  readonly duplicate?: true;
}

/** The sender of a request, and its publishes. They are stored in their order. */
interface Sender {
  readonly requester: Requester;
  readonly publishes: Publishes;
}

/** Publishes a message for the sender of a request. All steps that follow its rights and rates are here. */
function publishFor({ requester, publishes }: Sender, publish: Publish): Promise<PublishResult> {
  return new Promise((resolve) => {
    const result = publishes.publish(publish, requester.publisher, requester.user, resolve);
    if (result !== undefined) resolve(result);
  });
}

/** Creates the handler of `POST /channels/NAME/messages`. */
export function createPublishHandler(parts: PublishingParts): RequestHandler {
  const { settings, context, requesters } = parts;
  const { maxPayloadBytes } = settings;
  const { metrics } = context;

  const publish = async (sender: Sender, message: Publish): Promise<Position> => {
    metrics.counts.received += 1;
    const result = await publishFor(sender, message);
    if (isError(result)) throw Problem.of(result);
    const { epoch, offset, duplicate } = result;
    return duplicate ? { epoch, offset, duplicate } : { epoch, offset };
  };

  const publishLine = async (
    sender: Sender,
    channel: string,
    line: string,
    index: number,
  ): Promise<Position | Problem> => {
    try {
      // The request itself has been charged.
      if (index > 0) requesters.charge(sender.requester);
      const { json, id } = parseLine(line, maxPayloadBytes);
      return await publish(sender, { channel, json, id });
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      metrics.count("publishesRefused", problemLabel(error));
      return error;
    }
  };

  return async (request, response) => {
    const channel = readChannel(request);
    const requester = await requesters.identify(request);
    const sender = { requester, publishes: createPublishes(context, undefined) };
    try {
      if (!requester.access.rightsIn(channel).canPublish) throw Problem.of(MAY_NOT_PUBLISH);
      const type = request.is([JSON_TYPE, NDJSON_TYPE]);
      if (typeof type !== "string") {
        throw new Problem("unsupported_media_type", `Content-Type must be ${JSON_TYPE} or ${NDJSON_TYPE}.`);
      }
      const isBatch = type === NDJSON_TYPE;
      const { text, bytes } = await readBody(request, response, requester.user, {
        // The user never has more bytes than its burst, so that a larger body would be refused for ever.
        maxBytes: isBatch ? Math.min(MAX_BATCH_BYTES, requester.user.burstBytes) : maxPayloadBytes,
        held: context.held,
      });
      requesters.chargeBytes(requester, bytes);
      if (isBatch) {
        const lines = splitLines(text);
        response.once("close", () => {
          sender.publishes.refuseWaiting();
        });
        // The calls are in the order of the lines, so that the messages are, too.
        const results = await Promise.all(
          lines.map((line, index) => publishLine(sender, channel, line, index)),
        );
        response.type(NDJSON_TYPE).end(results.map((result) => `${JSON.stringify(result)}\n`).join(""));
        return;
      }
      const id = readIdempotencyKey(request.get("Idempotency-Key"));
      const value = parsePlain(text, maxPayloadBytes);
      if (value.kind === "invalid") throw Problem.of(value.error);
      const position = await publish(sender, { channel, json: value.json, id });
      response
        .status(position.duplicate === true ? 200 : 201)
        .type("json")
        .end(JSON.stringify(position));
    } catch (error) {
      if (error instanceof Problem) metrics.count("publishesRefused", problemLabel(error));
      throw error;
    }
  };
}

function splitLines(text: string | undefined): readonly string[] {
  if (text === undefined) throw new Problem("invalid_json", "The body is not UTF-8.");
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  if (lines.length <= MAX_BATCH_MESSAGES) return lines;
  throw new Problem("too_large", `The body has more than ${MAX_BATCH_MESSAGES} lines.`);
}

function readIdempotencyKey(key: string | undefined): string | undefined {
  if (key === undefined) return undefined;
  // Node.js decodes a header as Latin-1, so the bytes of other characters are not those of the client.
  if (/^[ -~]+$/.test(key) && isId(key)) return key;
  throw new Problem("invalid_request", `Idempotency-Key must have 1 to ${MAX_ID_BYTES} characters of ASCII.`);
}
