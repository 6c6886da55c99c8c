import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";

import { HeldBytes } from "../../../../app/src/connection/heldBytes.ts";
import { ReadTurns } from "../../../../app/src/connection/readTurns.ts";
import { UntakenBytes } from "../../../../app/src/connection/untakenBytes.ts";
import { ServerWebSocket } from "../../../../app/src/connection/webSocket/webSocket.ts";
import { WIRE_LIMITS } from "../../../../app/src/connection/wireLimits.ts";
import { renderAcceptance, readHandshake } from "../../../../app/src/http/handshake.ts";
import { textFrame } from "../../../../app/src/wire/frame.ts";

export const MAX_PAYLOAD_BYTES = 1024 * 1024;

/** The echo of a binary message that is not UTF-8. */
export const NOT_UTF_8 = "not UTF-8";

export interface EchoServer {
  readonly port: number;
  readonly close: () => void;
}

/** Starts a server that sends each message back, over the server's WebSocket implementation. */
export async function startEchoServer(): Promise<EchoServer> {
  const memory = {
    held: new HeldBytes(WIRE_LIMITS),
    reads: new ReadTurns(),
    untaken: new UntakenBytes(WIRE_LIMITS),
  };
  const http = createServer();
  http.on("upgrade", (request, socket: Socket, head) => {
    const handshake = readHandshake(request);
    if (!("key" in handshake)) {
      socket.destroy();
      return;
    }
    socket.on("error", () => undefined);
    socket.write(renderAcceptance(handshake));
    const webSocket = new ServerWebSocket(
      socket,
      MAX_PAYLOAD_BYTES,
      {
        user: {},
        onFrame: () => true,
        onMessage: (text) => void webSocket.write(textFrame(text ?? NOT_UTF_8)),
        onDrained: () => undefined,
        onClosed: () => undefined,
      },
      memory,
    );
    webSocket.start(head);
  });
  await once(http.listen(0, "127.0.0.1"), "listening");
  const { port } = http.address() as AddressInfo;
  return {
    port,
    close() {
      http.closeAllConnections();
      http.close();
    },
  };
}
