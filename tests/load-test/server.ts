import { once } from "node:events";
import { createServer, type IncomingMessage, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";

import { WebSocket, WebSocketServer } from "ws";

export interface Behaviour {
  /** Called for a new connection. @default greet */
  readonly welcome?: (socket: WebSocket) => void;
  /** Called for a message, with the clients of its channel. @default broadcast */
  readonly deliver?: (
    clients: ReadonlySet<WebSocket>,
    frame: string,
    from: WebSocket,
    frameOf: (message: unknown) => string,
  ) => void;
  /** Called for a subscribe. Its result is the answer. @default the position of the channel */
  readonly subscribe?: (channel: string, standard: object) => object;
  /** Answers every upgrade with this status. */
  readonly refuseWith?: number;
  readonly tls?: { readonly key: string; readonly cert: string };
}

export interface TestServer extends AsyncDisposable {
  readonly url: URL;
  /** Maximum of clients that were open at the same time. */
  readonly mostClients: () => number;
  /** Every subscribe, in order. */
  readonly subscribes: readonly Subscribe[];
}

export interface Subscribe {
  readonly subscribe: string;
  readonly epoch?: string;
  readonly offset?: number;
}

interface Publish {
  readonly publish: unknown;
  readonly channel: string;
}

const EPOCH = "1";

/** Other clients have the plain dialect. */
function hasChannels({ protocol }: WebSocket): boolean {
  return protocol === "channels.v1";
}

export function greet(socket: WebSocket): void {
  socket.send(hasChannels(socket) ? '{"connection":"ok","heartbeat":30}' : '{"connection":"ok"}');
}

export function broadcast(clients: ReadonlySet<WebSocket>, frame: string): void {
  for (const client of clients) client.send(frame);
}

/** A server of PROTOCOL.md on a free port, with faults on demand. */
export async function startServer(behaviour: Behaviour = {}): Promise<TestServer> {
  const { welcome = greet, refuseWith, tls } = behaviour;
  const http: Server = tls === undefined ? createServer() : createTlsServer(tls);
  const sockets = new WebSocketServer({ noServer: true });
  const receive = createChannels(behaviour);
  const subscribes: Subscribe[] = [];
  let mostClients = 0;
  http.on("upgrade", (request: IncomingMessage, socket, head) => {
    if (refuseWith !== undefined) {
      socket.end(`HTTP/1.1 ${refuseWith} Refused\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
      return;
    }
    sockets.handleUpgrade(request, socket, head, (client) => {
      // A client is not open after its Close frame.
      const open = [...sockets.clients].filter(({ readyState }) => readyState === WebSocket.OPEN);
      mostClients = Math.max(mostClients, open.length);
      client.on("message", (data: Buffer) => {
        const message = JSON.parse(data.toString()) as unknown;
        if (!hasChannels(client)) {
          const frameOf = (value: unknown): string => JSON.stringify({ message: value });
          (behaviour.deliver ?? broadcast)(sockets.clients, frameOf(message), client, frameOf);
          return;
        }
        const request = message as Subscribe | Publish;
        if ("subscribe" in request) subscribes.push(request);
        receive(request, client);
      });
      welcome(client);
    });
  });
  http.listen(0, "localhost");
  await once(http, "listening");
  const { port } = http.address() as AddressInfo;
  return {
    url: new URL(`${tls === undefined ? "ws" : "wss"}://localhost:${port}/wss`),
    mostClients: () => mostClients,
    subscribes,
    async [Symbol.asyncDispose]() {
      for (const client of sockets.clients) client.terminate();
      http.close();
      http.closeAllConnections();
      await once(http, "close");
    },
  };
}

/** Returns the handler of the messages of `channels.v1`. */
function createChannels({
  deliver = broadcast,
  subscribe = (_channel, standard) => standard,
}: Behaviour): (request: Subscribe | Publish, client: WebSocket) => void {
  const channels = new Map<string, { readonly clients: Set<WebSocket>; readonly log: string[] }>();
  return (request, client) => {
    const name = "subscribe" in request ? request.subscribe : request.channel;
    let channel = channels.get(name);
    if (channel === undefined) channels.set(name, (channel = { clients: new Set(), log: [] }));
    const { clients, log } = channel;
    if ("subscribe" in request) {
      const { offset = log.length } = request;
      client.send(JSON.stringify(subscribe(name, { subscribed: name, epoch: EPOCH, offset })));
      for (const frame of log.slice(offset)) client.send(frame);
      clients.add(client);
      client.once("close", () => clients.delete(client));
    } else {
      const offset = log.length + 1;
      const frameOf = (message: unknown): string => JSON.stringify({ channel: name, offset, message });
      const frame = frameOf(request.publish);
      log.push(frame);
      deliver(clients, frame, client, frameOf);
    }
  };
}
