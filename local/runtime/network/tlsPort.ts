/** A port for TLS and for plain HTTP: the first byte of a connection shows which one it is. */
import type { Server as HttpServer } from "node:http";
import { createServer as createTcpServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import type { LocalCertificate } from "./certificate.ts";

/** The type of a handshake record, with which TLS starts (RFC 8446 §5.1). */
const TLS_HANDSHAKE = 0x16;
/** Maximum time to the first byte of a connection. */
const FIRST_BYTE_TIMEOUT_MS = 10_000;

/** Creates servers that pass every connection on to `http`, as a `TLSSocket` if the client uses TLS. */
export function tlsServers(http: HttpServer, certificate: LocalCertificate): () => Server {
  const tls = createTlsServer({ ...certificate, ALPNProtocols: ["http/1.1"] }, (socket) => {
    http.emit("connection", socket);
  });
  // A browser that does not trust the certificate closes the connection during the handshake.
  tls.on("tlsClientError", (_error, socket) => socket.destroy());

  function accept(socket: Socket): void {
    socket.setNoDelay(true);
    socket.setTimeout(FIRST_BYTE_TIMEOUT_MS, () => socket.destroy());
    socket.on("error", () => undefined);
    socket.once("data", (first: Buffer) => {
      socket.setTimeout(0);
      socket.removeAllListeners("timeout");
      passOn(socket, first, first[0] === TLS_HANDSHAKE ? tls : http);
    });
  }
  // Node starts the timeouts of a server's requests when it listens. This server gets its connections from another one.
  http.emit("listening");
  return () => createTcpServer(accept).once("close", () => http.close());
}

/** Passes a connection on to another server, with the bytes that were read from it. */
function passOn(
  socket: Socket,
  first: Buffer,
  server: { emit(event: "connection", socket: Socket): boolean },
) {
  socket.pause();
  socket.unshift(first);
  server.emit("connection", socket);
  process.nextTick(() => socket.resume());
}
