/** The code of the application in a server: its handlers, and what they can use. */
import type { RequestHandler } from "express";

import type { RequestAuthorizer } from "./auth/authorize.ts";
import { addAuthorization } from "./handlers/authorization.ts";
import { createContext } from "./handlers/createContext.ts";
import type { Handlers } from "./handlers/handlers.ts";
import { Hooks } from "./handlers/hooks.ts";
import { createApplicationRoutes } from "./http/applicationRoutes.ts";
import type { OpenConnections } from "./openConnections.ts";
import type { ServerParts } from "./server.ts";

export interface Application {
  /** `undefined` if no handler is about connections. */
  readonly hooks: Hooks | undefined;
  readonly authorize: RequestAuthorizer | undefined;
  readonly routes: RequestHandler | undefined;
  /** Starts the background work. @throws what the handler throws. */
  start(): Promise<void>;
  /** Aborts the signal of the handlers. Idempotent. */
  abort(): void;
  /**
   * Undoes the start, when the asynchronous handlers of closed connections have ended, or soon. The caller has closed all
   * connections. Idempotent.
   * @param endsAt when the undo must have ended, in milliseconds on the monotonic clock.
   */
  stop(endsAt: number): Promise<void>;
}

/** The handlers that concern connections. */
const CONNECTION_HANDLERS = [
  "onConnect",
  "onDisconnect",
  "onSubscribe",
  "onUnsubscribe",
  "onPublish",
] as const satisfies readonly (keyof Handlers)[];

/** A browser adds the cookies of a user to the requests of every page, also to those of an attacker. */
const EVERY_ORIGIN =
  "authorize admits pages of every origin: set allowedOrigins if it reads a cookie or the address of the client";

/**
 * @returns `undefined` if there are no handlers.
 * @throws what the handler `routes` throws.
 */
export function createApplication(
  { settings, hub, metrics, authorize, handlers = {}, environment = {}, ...parts }: ServerParts,
  connections: OpenConnections,
): Application | undefined {
  if (Object.keys(handlers).length === 0) return undefined;
  const logger = parts.logger.child({ source: "handlers" });
  if (authorize === undefined && handlers.authorize !== undefined && settings.allowedOrigins.length === 0)
    logger.warn(EVERY_ORIGIN);
  const stopping = new AbortController();
  const { maxPayloadBytes } = settings;
  const context = createContext({
    hub,
    metrics,
    maxPayloadBytes,
    logger,
    signal: stopping.signal,
    environment: { ...environment },
    closeUser: (key, code, reason) => connections.closeUser(key, code, reason),
  });
  const hooks = new Hooks({ handlers, context, settings, logger });
  const hasConnectionHandlers = CONNECTION_HANDLERS.some((name) => handlers[name] !== undefined);
  return {
    hooks: hasConnectionHandlers ? hooks : undefined,
    authorize: addAuthorization({ authorize, handlers, context, timeoutMs: hooks.timeoutMs, logger }),
    routes: createApplicationRoutes(handlers, context),
    start: () => hooks.start(),
    abort: () => {
      stopping.abort();
    },
    stop: async (endsAt) => {
      await hooks.settled();
      await hooks.stop(endsAt);
    },
  };
}
