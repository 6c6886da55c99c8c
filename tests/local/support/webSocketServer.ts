/** A WebSocket server outside the stack, whose first message to a client is the client's request. */
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { type RawData, WebSocket, WebSocketServer } from "ws";
import type { LocalCertificate } from "../../../local/runtime/network/certificate.ts";

export interface Asked {
  /** Path and query. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
}

export interface ForeignServer extends AsyncDisposable {
  readonly port: number;
}

export async function startForeignServer(certificate?: LocalCertificate): Promise<ForeignServer> {
  const http = certificate === undefined ? createServer() : createTlsServer(certificate);
  const sockets = new WebSocketServer({ server: http });
  sockets.on("connection", (socket, { url, headers }) => {
    socket.send(JSON.stringify({ url: url ?? "", headers } satisfies Asked));
    socket.on("message", (data: RawData) => {
      socket.send(data, { binary: false });
    });
  });
  await once(http.listen(0, "127.0.0.1"), "listening");
  const address = http.address();
  if (typeof address !== "object" || address === null) throw new Error("It listens on a port.");
  return {
    port: address.port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets.clients) socket.terminate();
      http.close();
      await once(http, "close");
    },
  };
}

/** Connects through an edge, and resolves with the request that the server has received and with its echo of a text. */
export async function askThrough(
  url: string,
  headers: Readonly<Record<string, string>>,
  text: string,
): Promise<{ readonly asked: Asked; readonly echo: string }> {
  const socket = new WebSocket(url.replace("localhost", "127.0.0.1"), ["chat.v1"], {
    rejectUnauthorized: false,
    headers,
  });
  const [first] = (await once(socket, "message")) as [Buffer]; // ws declares its events for listeners only.
  socket.send(text);
  const [second] = (await once(socket, "message")) as [Buffer]; // As above.
  socket.terminate();
  return { asked: JSON.parse(first.toString()) as Asked, echo: second.toString() };
}
