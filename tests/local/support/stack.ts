/** A stack with the fixture server on free ports, and its events. */
import { EventEmitter } from "node:events";
import path from "node:path";
import type { DeclaredGraph } from "../../../infra/evaluation/graph.ts";
import type { EventOf, StackEvent, StackUrls } from "../../../local/events.ts";
import { type RunningStack, type StackOptions, startStack } from "../../../local/stack.ts";
import { due } from "../../support/waitUntil.ts";
import { ROOT } from "./paths.ts";

export interface StackFixture extends AsyncDisposable {
  readonly stack: RunningStack;
  /** The URLs of the stack; empty strings for those that it does not have. */
  readonly urls: Readonly<Record<keyof StackUrls, string>>;
  readonly events: readonly StackEvent[];
  /** Rejects when a task is unhealthy or ends by itself. */
  readonly failed: Promise<never>;
  /** Resolves with the first event of this name, past or future, that passes. */
  next<Name extends StackEvent["event"]>(
    name: Name,
    passes?: (event: EventOf<Name>) => boolean,
  ): Promise<EventOf<Name>>;
}

export const FIXTURE_OPTIONS: StackOptions = {
  edgePort: 0,
  loadBalancerPort: 0,
  apiGatewayPort: 0,
  speed: 1,
  entry: path.join(import.meta.dirname, "server.ts"),
  cacheDirectory: path.join(ROOT, "node_modules", ".cache", "local-stack-tests"),
  baseEnvironment: {},
};

/** Maximum time for an event. A task starts or stops in much less. */
const EVENT_DUE_MS = 15_000;

/** The number of events in the message of a failure. */
const LAST_EVENTS = 5;

/** Starts a stack without waiting for its tasks. */
export async function launch(
  graph: DeclaredGraph,
  options: Partial<StackOptions> = {},
): Promise<StackFixture> {
  const events: StackEvent[] = [];
  const arrivals = new EventEmitter();
  arrivals.setMaxListeners(0);
  const failure = Promise.withResolvers<never>();
  // A test that does not wait for it must not get an unhandled rejection.
  failure.promise.catch(() => undefined);
  const stack = await startStack(graph, { ...FIXTURE_OPTIONS, ...options }, (event) => {
    events.push(event);
    arrivals.emit("event");
    if (isTaskFailure(event)) failure.reject(new Error(JSON.stringify(event)));
  });
  return {
    stack,
    urls: { page: "", loadBalancer: "", plainHttp: "", apiGateway: "", ...present(stack.urls) },
    events,
    failed: failure.promise,
    next(name, passes = () => true) {
      const next = new Promise<EventOf<typeof name>>((resolve) => {
        const look = (): void => {
          const found = events.find(
            (event): event is EventOf<typeof name> =>
              event.event === name && passes(event as EventOf<typeof name>), // Narrowed by its name just before.
          );
          if (found === undefined) return;
          arrivals.off("event", look);
          resolve(found);
        };
        arrivals.on("event", look);
        look();
      });
      const last = (): string => JSON.stringify(events.slice(-LAST_EVENTS));
      return due(next, () => `the event ${name}; the last events are ${last()}`, EVENT_DUE_MS);
    },
    async [Symbol.asyncDispose]() {
      await stack.close();
    },
  };
}

function isTaskFailure(event: StackEvent): boolean {
  return event.event === "task-unhealthy" || (event.event === "task-stopped" && !event.expected);
}

function present(urls: StackUrls): Record<"websocket", string> & Partial<Record<keyof StackUrls, string>> {
  const entries = Object.entries(urls).filter(([, url]) => url !== undefined);
  return { websocket: urls.websocket, ...Object.fromEntries(entries) };
}

/**
 * Starts a stack, and waits until every task is healthy.
 * @throws {Error} that contains the event, as soon as a task fails.
 */
export async function running(
  graph: DeclaredGraph,
  options: Partial<StackOptions> = {},
): Promise<StackFixture> {
  const fixture = await launch(graph, options);
  try {
    await Promise.race([fixture.stack.ready, fixture.failed]);
  } catch (error) {
    await fixture.stack.close();
    throw error;
  }
  return fixture;
}
