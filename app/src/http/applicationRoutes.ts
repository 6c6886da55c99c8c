/** The routes of an application, below `/api`. */
import { Router } from "express";
import type { ErrorRequestHandler, RequestHandler } from "express";

import { clientAddress } from "../auth/clientAddress.ts";
import { createUserKey } from "../auth/users.ts";
import type { Users } from "../auth/users.ts";
import type { HeldBytes } from "../connection/heldBytes.ts";
import type { HandlerContext } from "../handlers/context.ts";
import type { Handlers } from "../handlers/handlers.ts";
import { Rejection } from "../handlers/rejection.ts";
import type { Settings } from "../settings/settings.ts";
import { parseJson } from "../wire/parseValue.ts";
import { readBody } from "./body.ts";
import type { OriginCheck } from "./origins.ts";
import { CLOSE, Problem, sendProblem } from "./problem.ts";

/**
 * Creates the router of the routes of an application. A {@link Rejection} is answered with its code.
 * @returns `undefined` if it has none.
 * @throws what the handler throws.
 */
export function createApplicationRoutes(handlers: Handlers, context: HandlerContext): Router | undefined {
  if (handlers.routes === undefined) return undefined;
  const router = Router();
  handlers.routes(router, context);
  return router.use(answerRejection);
}

/** Refuses the requests of pages whose origins may not connect. The headers for other pages are those of the application. */
export function checkOrigin(origins: OriginCheck): RequestHandler {
  return ({ headers }, response, next) => {
    const refusal = origins.check(headers.origin);
    if (refusal === undefined) next();
    else sendProblem(response, new Problem("forbidden", refusal, CLOSE));
  };
}

export interface BodyParts {
  readonly settings: Pick<Settings, "maxPayloadBytes" | "trustedProxies">;
  readonly users: Users;
  /** Counts the bodies that are not complete, by the addresses of the clients. */
  readonly held: HeldBytes;
}

/** Parses JSON bodies, within the limits of the HTTP API. Routes check their callers later. */
export function parseBodies({ settings, users, held }: BodyParts): RequestHandler {
  const { maxPayloadBytes: maxBytes, trustedProxies } = settings;
  return async (request, response, next) => {
    if (typeof request.is("application/json") === "string") {
      const user = users.visit(createUserKey(undefined, clientAddress(request, trustedProxies)));
      try {
        const { text } = await readBody(request, response, user, { maxBytes, held });
        request.body = parseBody(text);
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        sendProblem(response, error);
        return;
      }
    }
    next();
  };
}

/** Returns what `express.json` does: an object or a list. @throws {Problem} if the text is anything else. */
function parseBody(text: string | undefined): object {
  if (text === "") return {};
  const parsed = parseJson(text, false);
  if (parsed.kind === "invalid") throw Problem.of(parsed.error);
  if (typeof parsed.value === "object" && parsed.value !== null) return parsed.value;
  throw new Problem("invalid_request", "The body is neither an object nor a list.");
}

const answerRejection: ErrorRequestHandler = (error: unknown, _request, response, next) => {
  if (!(error instanceof Rejection) || response.headersSent) next(error);
  else sendProblem(response, Problem.of(error));
};
