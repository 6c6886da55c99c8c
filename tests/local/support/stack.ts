/** A stack on ports of the system's choice with the fixture server, its events, and its end. */
import { EventEmitter } from "node:events";
import path from "node:path";
import type { DeclaredGraph } from "../../../infra/graph.ts";
import type { EventOf, StackEvent, StackUrls } from "../../../local/events.ts";
import { type RunningStack, type StackOptions, startStack } from "../../../local/stack.ts";
import { ROOT } from "./paths.ts";

export interface StackFixture extends AsyncDisposable {
  readonly stack: RunningStack;
  /** The stack's; empty where it has none. */
  readonly urls: Readonly<Record<keyof StackUrls, string>>;
  readonly events: readonly StackEvent[];
  /** The first event of this name that passes, of those gone by and those to come. */
  next<Name extends StackEvent["event"]>(
    name: Name,
    passes?: (event: EventOf<Name>) => boolean,
  ): Promise<EventOf<Name>>;
}

export const FIXTURE_OPTIONS: StackOptions = {
  edgePort: 0,
  loadBalancerPort: 0,
  apiGatewayPort: 0,
  entry: path.join(import.meta.dirname, "server.ts"),
  cacheDirectory: path.join(ROOT, "node_modules", ".cache", "local-stack-tests"),
  baseEnvironment: {},
};

/** Starts it without waiting for its tasks. */
export async function launch(
  graph: DeclaredGraph,
  options: Partial<StackOptions> = {},
): Promise<StackFixture> {
  const events: StackEvent[] = [];
  const arrivals = new EventEmitter();
  arrivals.setMaxListeners(0);
  const stack = await startStack(graph, { ...FIXTURE_OPTIONS, ...options }, (event) => {
    events.push(event);
    arrivals.emit("event");
  });
  return {
    stack,
    urls: { page: "", loadBalancer: "", plainHttp: "", apiGateway: "", ...present(stack.urls) },
    events,
    next(name, passes = () => true) {
      return new Promise((resolve) => {
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
    },
    async [Symbol.asyncDispose]() {
      await stack.close();
    },
  };
}

function present(urls: StackUrls): Record<"websocket", string> & Partial<Record<keyof StackUrls, string>> {
  const entries = Object.entries(urls).filter(([, url]) => url !== undefined);
  return { websocket: urls.websocket, ...Object.fromEntries(entries) };
}

/** Starts it and waits until every task is healthy. */
export async function running(
  graph: DeclaredGraph,
  options: Partial<StackOptions> = {},
): Promise<StackFixture> {
  const fixture = await launch(graph, options);
  await fixture.stack.ready;
  return fixture;
}
