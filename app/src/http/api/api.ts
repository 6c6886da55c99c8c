/** The HTTP API: publish, history, event streams, the connections of a user, and the sender. See docs/http.md. */
import { Router } from "express";
import type { ErrorRequestHandler, RequestHandler } from "express";
import type { Logger } from "pino";

import type { RequestAuthorizer } from "../../auth/authorize.ts";
import { createUserKey } from "../../auth/users.ts";
import type { Users } from "../../auth/users.ts";
import type { ConnectionContext } from "../../connection/connectionContext.ts";
import type { Settings } from "../../settings/settings.ts";
import type { OriginCheck } from "../origins.ts";
import { CLOSE, Problem, sendProblem } from "../problem.ts";
import { createCors } from "./cors.ts";
import { EventStreams } from "./events/eventStreams.ts";
import type { Connections } from "./events/eventStreams.ts";
import { createHistoryHandler } from "./history.ts";
import { OPEN_API } from "./openApi.ts";
import { PendingRequests } from "./pendingRequests.ts";
import { createPublishHandler } from "./publish/publishing.ts";
import { Requesters } from "./requesters.ts";
import { createWhoAmIHandler } from "./whoAmI.ts";

const DESCRIPTION_PATH = "/openapi.json";

/** First segments of the paths of the API. */
const API_PATHS = ["/channels", "/users", "/whoami", DESCRIPTION_PATH];

export interface ApiParts {
  readonly settings: Settings;
  readonly context: ConnectionContext;
  readonly users: Users;
  readonly origins: OriginCheck;
  readonly connections: Connections & {
    closeUser(key: string): number;
  };
  /** Checks the tokens of clients; `undefined` if they need none. */
  readonly authorize: RequestAuthorizer | undefined;
  /** Whether the handlers have started. */
  readonly hasStarted: () => boolean;
  /** Whether the task drains. */
  readonly isDraining: () => boolean;
}

export interface Api {
  readonly router: Router;
  /** Begins a request of the API, or of a route of the application: the drain waits for its answer. */
  readonly begin: RequestHandler;
  /** Resolves when every request is answered, and every event stream has ended. */
  readonly untilAnswered: () => Promise<void>;
  /** Frees the timers. Idempotent. */
  readonly close: () => void;
}

export function createApi(parts: ApiParts): Api {
  const { settings, context, origins, connections, hasStarted, isDraining } = parts;
  const requesters = new Requesters({ ...parts, metrics: context.metrics });
  const pending = new PendingRequests();
  const streams = new EventStreams({ ...parts, requesters, isStopped: isDraining });
  const history = createHistoryHandler({ context, requesters });

  const begin: RequestHandler = (_request, response, next) => {
    pending.begin(response);
    // The next request of the client then reaches another task.
    if (isDraining()) response.set("Connection", "close");
    if (hasStarted()) next();
    else sendProblem(response, STARTING);
  };

  const read: RequestHandler = (request, response, next) => {
    const isStream =
      request.method === "GET" && request.accepts(["json", "text/event-stream"]) === "text/event-stream";
    return isStream ? streams.handle(request, response, next) : history(request, response, next);
  };

  const disconnect: RequestHandler = (request, response) => {
    requesters.requireKey(request);
    const { user } = request.params;
    const disconnected = connections.closeUser(createUserKey(String(user), ""));
    response.set("Cache-Control", "no-store").json({ disconnected });
  };

  const router = Router({ caseSensitive: true });
  router.use(API_PATHS, begin, createCors(origins));
  router
    .route("/channels/:channel/messages")
    .get(read)
    .post(createPublishHandler({ settings, context, requesters }))
    .all(allowOnly("GET, HEAD, POST"));
  router.route("/users/:user/connections").delete(disconnect).all(allowOnly("DELETE"));
  router.route("/whoami").get(createWhoAmIHandler(requesters)).all(allowOnly("GET, HEAD"));
  router.route(DESCRIPTION_PATH).get(describe).all(allowOnly("GET, HEAD"));
  router.use(API_PATHS, notFound, createErrorHandler(context.logger));
  return {
    router,
    begin,
    untilAnswered: () => pending.untilNone(),
    close: () => {
      streams.stop();
    },
  };
}

function allowOnly(methods: string): RequestHandler {
  return ({ method }) => {
    throw new Problem("method_not_allowed", `The method ${method} is not one of ${methods}.`, {
      Allow: methods,
    });
  };
}

const STARTING = new Problem("unavailable", "The server starts; send it again later.", CLOSE);

const describe: RequestHandler = (_request, response) => {
  response.type("json").end(JSON.stringify(OPEN_API));
};

const notFound: RequestHandler = () => {
  throw new Problem("not_found", "No resource has this path.");
};

function createErrorHandler(logger: Logger): ErrorRequestHandler {
  return (error: unknown, _request, response, next) => {
    // The client has left. That is no failure of the server.
    if (response.destroyed && error instanceof Problem) return;
    if (response.headersSent || response.destroyed) {
      next(error);
      return;
    }
    sendProblem(response, asProblem(error, logger));
  };
}

function asProblem(error: unknown, logger: Logger): Problem {
  if (error instanceof Problem) return error;
  // Express cannot decode the path.
  if (error instanceof Error && "status" in error && error.status === 400) {
    return new Problem("invalid_request", "The path is malformed.");
  }
  logger.error({ err: error }, "request failed");
  return new Problem("internal_error", "The server has failed.");
}
