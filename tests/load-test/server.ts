import { once } from "node:events";
import { createServer, type IncomingMessage, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";

import { WebSocket, WebSocketServer } from "ws";

export interface Behaviour {
  /** Called for a new connection. @default greet */
  readonly welcome?: (socket: WebSocket) => void;
  /** Called for a message. @default broadcast */
  readonly deliver?: (clients: ReadonlySet<WebSocket>, frame: string, from: WebSocket) => void;
  /** Answers every upgrade with this status. */
  readonly refuseWith?: number;
  readonly tls?: { readonly key: string; readonly cert: string };
}

export interface TestServer extends AsyncDisposable {
  readonly url: URL;
  /** Maximum of clients that were open at the same time. */
  readonly mostClients: () => number;
}

export function greet(socket: WebSocket): void {
  socket.send('{"connection":"ok"}');
}

export function broadcast(clients: ReadonlySet<WebSocket>, frame: string): void {
  for (const client of clients) client.send(frame);
}

/** A server of PROTOCOL.md on a free port, with faults on demand. */
export async function startServer(behaviour: Behaviour = {}): Promise<TestServer> {
  const { welcome = greet, deliver = broadcast, refuseWith, tls } = behaviour;
  const http: Server = tls === undefined ? createServer() : createTlsServer(tls);
  const sockets = new WebSocketServer({ noServer: true });
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
        deliver(sockets.clients, JSON.stringify({ message: JSON.parse(data.toString()) as unknown }), client);
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
    async [Symbol.asyncDispose]() {
      for (const client of sockets.clients) client.terminate();
      http.close();
      http.closeAllConnections();
      await once(http, "close");
    },
  };
}
