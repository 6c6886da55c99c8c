import { Router, json } from "express";
import type { ErrorRequestHandler, RequestHandler } from "express";

import type { HandlerContext } from "../handlers/context.ts";
import type { Handlers } from "../handlers/handlers.ts";
import { Rejection } from "../handlers/rejection.ts";
import type { OriginCheck } from "./origins.ts";
import { Problem, sendProblem } from "./problem.ts";

/**
 * Creates the router of the routes of an application. A {@link Rejection} is answered with its code.
 * @returns `undefined` if it has none.
 * @throws what the handler throws.
 */
export function createApplicationRoutes(
  handlers: Handlers,
  context: HandlerContext,
  maxPayloadBytes: number,
): Router | undefined {
  if (handlers.routes === undefined) return undefined;
  const router = Router();
  router.use(json({ limit: maxPayloadBytes }));
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

/** The rest of the request is not read. */
const CLOSE = { Connection: "close" };

const answerRejection: ErrorRequestHandler = (error: unknown, _request, response, next) => {
  if (!(error instanceof Rejection) || response.headersSent) next(error);
  else sendProblem(response, Problem.of(error));
};
