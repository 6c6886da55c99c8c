import type { RequestHandler } from "express";

import type { OriginCheck } from "../origins.ts";
import { Problem } from "../problem.ts";

/** Time for which a browser keeps the answer to a preflight request. */
const PREFLIGHT_SECONDS = 600;

const PREFLIGHT_HEADERS = {
  "Access-Control-Allow-Methods": "GET, POST",
  // Pages have tokens. An API key must not be in a page.
  "Access-Control-Allow-Headers": "Authorization, Content-Type, Idempotency-Key, Last-Event-ID",
  "Access-Control-Max-Age": String(PREFLIGHT_SECONDS),
};

/** Allows the requests of pages whose origins may connect. @see https://fetch.spec.whatwg.org/#http-cors-protocol */
export function createCors(origins: OriginCheck): RequestHandler {
  return (request, response, next) => {
    const { origin } = request.headers;
    if (!origins.allowsAll) response.vary("Origin");
    const refusal = origins.check(origin);
    if (refusal !== undefined) throw new Problem("forbidden", refusal);
    if (origin !== undefined) {
      response.set({
        "Access-Control-Allow-Origin": origins.allowsAll ? "*" : origin,
        "Access-Control-Expose-Headers": "Retry-After",
      });
    }
    if (request.method !== "OPTIONS") {
      next();
      return;
    }
    response.status(204).set(PREFLIGHT_HEADERS).end();
  };
}
