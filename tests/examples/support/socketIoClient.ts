/** A client of the Socket.IO example. */
import { due } from "../../support/waitUntil.ts";
import { loadPackage } from "./servers.ts";

export const SOCKET_IO = "socket.io";

export type Transport = "websocket" | "polling";

/** The used part of socket.io-client, whose types are not installed. */
interface SocketIoClient {
  readonly io: (
    url: string,
    options: object,
  ) => {
    /** Whether the state of the previous connection was recovered. */
    readonly recovered: boolean;
    readonly io: { uri: string; readonly engine: { readonly transport: { readonly name: string } } };
    on(event: string, listener: (value: never) => void): void;
    emitWithAck(event: string, value: unknown): Promise<boolean>;
    disconnect(): void;
  };
}

export interface Message {
  readonly author: string;
  readonly text: string;
  readonly task: string;
}

export interface ChatClient extends Disposable {
  /** Takes the name of the task of the next connection. */
  readonly connected: () => Promise<string>;
  /** Takes the next message. */
  readonly next: () => Promise<Message>;
  /** Sends a message. Resolves with whether the server accepts it. */
  readonly send: (text: string) => Promise<boolean>;
  /** Takes the reason of the next disconnection. @param forMs timeout. */
  readonly disconnected: (forMs?: number) => Promise<string>;
  readonly hasRecovered: () => boolean;
  /** The transport of the connection. */
  readonly transport: () => string;
  /** The next connection goes to another address. */
  readonly move: (url: string) => void;
}

/** Connects with one transport. Accepts the certificate of the local stack. */
export function connectChat(url: string, transport: Transport): ChatClient {
  const { io } = loadPackage(SOCKET_IO, "socket.io-client") as SocketIoClient; // The package of that name.
  const socket = io(url, {
    transports: [transport],
    rejectUnauthorized: false,
    // In Node, the client then keeps the cookies, as a browser does.
    withCredentials: true,
    reconnectionDelay: 100,
    // A connection of its own for each client.
    forceNew: true,
  });
  const tasks = new Queue<string>("a connection");
  const messages = new Queue<Message>("a message");
  const disconnections = new Queue<string>("a disconnection");
  socket.on("connected", (task: string) => {
    tasks.add(task);
  });
  socket.on("message", (message: Message) => {
    messages.add(message);
  });
  socket.on("disconnect", (reason: string) => {
    disconnections.add(reason);
  });
  return {
    connected: () => tasks.next(),
    next: () => messages.next(),
    send: (text) => due(socket.emitWithAck("message", { author: "test", text }), "an acknowledgement"),
    disconnected: (forMs) => disconnections.next(forMs),
    hasRecovered: () => socket.recovered,
    transport: () => socket.io.engine.transport.name,
    move: (next) => {
      socket.io.uri = next;
    },
    [Symbol.dispose]() {
      socket.disconnect();
    },
  };
}

/** Values that are taken one after the other, each when it is there. */
class Queue<Value> {
  readonly #expected: string;
  readonly #values: Value[] = [];
  readonly #waiting: ((value: Value) => void)[] = [];

  /** @param expected name of a value in a failure. */
  constructor(expected: string) {
    this.#expected = expected;
  }

  add(value: Value): void {
    const waiter = this.#waiting.shift();
    if (waiter === undefined) this.#values.push(value);
    else waiter(value);
  }

  next(forMs?: number): Promise<Value> {
    const value = this.#values.shift();
    if (value !== undefined) return Promise.resolve(value);
    return due(new Promise((resolve) => this.#waiting.push(resolve)), this.#expected, forMs);
  }
}
