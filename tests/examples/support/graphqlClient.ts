/** A client of the Apollo example, as the README describes it: it continues after the last message that it has received. */
import { WebSocket } from "ws";
import { due } from "../../support/waitUntil.ts";
import { loadPackage } from "./servers.ts";

export const APOLLO = "apollo-subscriptions";

/** Shorter than in a browser, so that tests do not wait. */
const RETRY_MS = 100;

const FIELDS = "{ id author text task }";

/** The used part of graphql-ws, whose types are not installed. */
interface GraphqlWs {
  readonly createClient: (options: object) => {
    subscribe(operation: object, sink: object): void;
    dispose(): void;
  };
}

export interface Message {
  readonly id: string;
  readonly author: string;
  readonly text: string;
  readonly task: string;
}

export interface Subscription extends Disposable {
  /** Takes the next message. */
  readonly next: () => Promise<Message>;
  /** The tasks to which the client has connected, and the close codes in between. */
  readonly history: readonly (string | number)[];
  /** Resolves when the client has connected, with the name of the task. */
  readonly connected: () => Promise<string>;
}

/** A WebSocket that accepts the certificate of the local stack. */
class TrustingWebSocket extends WebSocket {
  constructor(url: string, protocols: string) {
    super(url, protocols, { rejectUnauthorized: false });
  }
}

/** Subscribes to the messages after the one with the id `after`. @param url may change before a reconnection. */
export function subscribe(url: string | (() => string), after = "0-0"): Subscription {
  const { createClient } = loadPackage(APOLLO, "graphql-ws") as GraphqlWs; // The package of that name.
  const received: Message[] = [];
  const waiting: ((message: Message) => void)[] = [];
  const history: (string | number)[] = [];
  let connection = Promise.withResolvers<string>();
  const client = createClient({
    url,
    webSocketImpl: TrustingWebSocket,
    retryAttempts: Infinity,
    shouldRetry: () => true,
    retryWait: () => new Promise((resolve) => setTimeout(resolve, RETRY_MS)),
    on: {
      connected: (_socket: unknown, { task }: { task: string }) => {
        history.push(task);
        connection.resolve(task);
      },
      closed: ({ code }: { code: number }) => {
        history.push(code);
        connection = Promise.withResolvers();
      },
    },
  });
  const variables = { after };
  const failure = Promise.withResolvers<never>();
  failure.promise.catch(() => undefined);
  client.subscribe(
    { query: `subscription ($after: ID) { messageAdded(after: $after) ${FIELDS} }`, variables },
    {
      next({ data, errors }: { data?: { messageAdded: Message } | null; errors?: unknown }) {
        if (!data) {
          failure.reject(new Error(JSON.stringify(errors)));
          return;
        }
        const { messageAdded: message } = data;
        variables.after = message.id;
        const waiter = waiting.shift();
        if (waiter === undefined) received.push(message);
        else waiter(message);
      },
      error: (error: unknown) => {
        failure.reject(new Error(JSON.stringify(error)));
      },
      complete: () => undefined,
    },
  );
  return {
    history,
    connected: () => due(connection.promise, "a connection"),
    next: () => {
      const message = received.shift();
      if (message !== undefined) return Promise.resolve(message);
      const next = new Promise<Message>((resolve) => waiting.push(resolve));
      return due(Promise.race([next, failure.promise]), "a message");
    },
    [Symbol.dispose]() {
      client.dispose();
    },
  };
}

/** The document and the body of a request that posts a message. */
export function postBody(text: string): string {
  return JSON.stringify({
    query: `mutation ($text: String!) { postMessage(author: "test", text: $text) ${FIELDS} }`,
    variables: { text },
  });
}
