/** A WebSocket client on a bare socket: with thousands of clients, a library would dominate the measurement. */
import { connect } from "node:net";
import type { Socket, NetConnectOpts } from "node:net";
import { connect as connectTls } from "node:tls";

import { Failure, toFailure } from "../../load-test/parts/failures.ts";
import { clientFrame, OPCODES, readFrame } from "./frames.ts";
import type { Protocol } from "./protocols.ts";

/** The example of RFC 6455, section 1.3. The server's answer depends only on the key. */
const KEY = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
const END_OF_HEADERS = "\r\n\r\n";

const READ_BYTES = 256 * 1024;
/** Shared by all clients: each read ends before the next one starts. */
const readBuffer = Buffer.allocUnsafeSlow(READ_BYTES);

export interface ClientOptions {
  readonly host: string;
  readonly port: number;
  /** Whether the server has TLS, with any certificate. */
  readonly hasTls: boolean;
  readonly protocol: Protocol;
  /** Appended to the protocol's path. */
  readonly query?: string;
  /** Called once with the last greeting, before {@link ClientOptions.onBytes}. */
  readonly onReady: (greeting: string) => void;
  /** Receives the bytes after the greetings, which are valid during the call. An error that it throws fails the client. */
  readonly onBytes: (bytes: Buffer) => void;
  /** The connection has ended, or the server has broken the protocol. */
  readonly onFailed: (error: Error) => void;
}

export interface Client {
  write(bytes: Buffer): void;
  /** Reads nothing more. */
  stopReading(): void;
  /** Resets the connection: thousands of closed connections would occupy their ports for a minute. */
  destroy(): void;
}

export function openClient(options: ClientOptions): Client {
  const { host, port, hasTls, protocol, query = "" } = options;
  let state: "handshake" | "greeting" | "ready" | "closed" = "handshake";
  let rest: Buffer = Buffer.alloc(0);
  let greeted = 0;

  const address = {
    host,
    port,
    onread: {
      buffer: readBuffer,
      callback(length) {
        try {
          receive(readBuffer.subarray(0, length));
        } catch (error) {
          fail(error instanceof Error ? error : new Error(String(error)));
        }
        return true;
      },
    },
  } satisfies NetConnectOpts;
  const socket: Socket = hasTls ? connectTls({ ...address, rejectUnauthorized: false }) : connect(address);
  socket.setNoDelay(true);
  socket.on(hasTls ? "secureConnect" : "connect", () => {
    socket.write(
      [
        `GET ${protocol.path}${query} HTTP/1.1`,
        `Host: ${host}:${port}`,
        "Upgrade: websocket",
        "Connection: Upgrade",
        `Sec-WebSocket-Key: ${KEY}`,
        "Sec-WebSocket-Version: 13",
        ...(protocol.subprotocol === undefined ? [] : [`Sec-WebSocket-Protocol: ${protocol.subprotocol}`]),
      ].join("\r\n") + END_OF_HEADERS,
    );
  });
  socket.on("error", (error) => {
    fail(toFailure(error));
  });
  socket.on("close", () => {
    fail(new Failure("closed", "1006"));
  });

  return {
    write: (bytes) => void socket.write(bytes),
    stopReading: () => void socket.pause(),
    destroy() {
      state = "closed";
      // Node cannot reset a connection with TLS.
      if (hasTls) socket.destroy();
      else socket.resetAndDestroy();
    },
  };

  function receive(bytes: Buffer): void {
    if (state === "ready") options.onBytes(bytes);
    else if (state !== "closed") prepare(Buffer.concat([rest, bytes]));
  }

  function prepare(bytes: Buffer): void {
    let at = 0;
    if (state === "handshake") {
      const end = bytes.indexOf(END_OF_HEADERS);
      if (end === -1) {
        rest = bytes;
        return;
      }
      checkHandshake(bytes.toString("latin1", 0, end), protocol);
      at = end + END_OF_HEADERS.length;
      state = "greeting";
    }
    for (let frame = readFrame(bytes, at); frame !== undefined; frame = readFrame(bytes, at)) {
      at = frame.end;
      greet(bytes.toString("utf8", frame.payload, frame.end));
      if (greeted === protocol.greetings.length) break;
    }
    rest = Buffer.from(bytes.subarray(at));
    if (greeted === protocol.greetings.length && rest.length > 0) options.onBytes(rest);
  }

  function greet(text: string): void {
    const expected = protocol.greetings[greeted];
    if (expected === undefined || !text.startsWith(expected.begins)) {
      throw new Error(`the server's greeting is ${JSON.stringify(text)}`);
    }
    if (expected.answer !== undefined) socket.write(clientFrame(Buffer.from(expected.answer), OPCODES.text));
    greeted++;
    if (greeted < protocol.greetings.length) return;
    state = "ready";
    options.onReady(text);
  }

  function fail(error: Error): void {
    if (state === "closed") return;
    state = "closed";
    socket.destroy();
    options.onFailed(error);
  }
}

function checkHandshake(head: string, { subprotocol }: Protocol): void {
  const [status = "", ...headers] = head.split("\r\n");
  if (!status.startsWith("HTTP/1.1 101 ")) throw new Failure("http", status.split(" ")[1] ?? status);
  const valueOf = (name: string) =>
    headers
      .find((line) => line.toLowerCase().startsWith(`${name}:`))
      ?.slice(name.length + 1)
      .trim();
  if (valueOf("sec-websocket-accept") !== ACCEPT)
    throw new Error("the handshake has a wrong Sec-WebSocket-Accept");
  if (valueOf("sec-websocket-protocol") !== subprotocol) {
    throw new Error(`the server selected the subprotocol ${valueOf("sec-websocket-protocol") ?? "none"}`);
  }
}
