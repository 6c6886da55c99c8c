/** A port that takes TLS, and plain HTTP beside it: a connection's first byte tells. */
import type { Server as HttpServer } from "node:http";
import { createServer as createTcpServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import type { Certificate } from "./certificate.ts";

/** First byte of a TLS connection: a handshake record (RFC 8446 §5.1). */
const TLS_HANDSHAKE = 0x16;
/** Time that a connection has to say its first byte. */
const FIRST_BYTE_TIMEOUT_MS = 10_000;

/** Makes servers that hand every connection to `http`; one that came by TLS is a `TLSSocket` there. */
export function tlsServers(http: HttpServer, certificate: Certificate): () => Server {
  const tls = createTlsServer({ ...certificate, ALPNProtocols: ["http/1.1"] }, (socket) => {
    http.emit("connection", socket);
  });
  // A browser that does not trust the certificate hangs up in the handshake; that is its right.
  tls.on("tlsClientError", (_error, socket) => socket.destroy());

  function accept(socket: Socket): void {
    socket.setNoDelay(true);
    socket.setTimeout(FIRST_BYTE_TIMEOUT_MS, () => socket.destroy());
    socket.on("error", () => undefined);
    socket.once("data", (first: Buffer) => {
      socket.setTimeout(0);
      socket.removeAllListeners("timeout");
      handOver(socket, first, first[0] === TLS_HANDSHAKE ? tls : http);
    });
  }
  return () => createTcpServer(accept);
}

/** Gives a connection to another server as though nothing of it had been read. */
function handOver(
  socket: Socket,
  first: Buffer,
  server: { emit(event: "connection", socket: Socket): boolean },
) {
  socket.pause();
  socket.unshift(first);
  server.emit("connection", socket);
  process.nextTick(() => socket.resume());
}
