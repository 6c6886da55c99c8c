/** A WebSocket client on a bare socket: with thousands of clients, a library would dominate the measurement. */
import { connect } from "node:net";
import type { Socket, NetConnectOpts } from "node:net";
import { connect as connectTls } from "node:tls";

import { Failure, toFailure } from "../../load-test/parts/failures.ts";
import { clientFrame, OPCODES, readFrame } from "./frames.ts";
import { addressOf, DEFAULT_CHANNEL, subscriptionOf } from "./protocols.ts";
import type { Position, Protocol } from "./protocols.ts";

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
  /** The channels that the client subscribes to: one, if the address has the channel. */
  readonly channels: readonly string[];
  /** Where the client resumes. @default the end of each channel */
  readonly from?: Position | undefined;
  /** The server has confirmed a subscription, if the protocol has offsets. */
  readonly onSubscribed?: ((channel: string, position: Position) => void) | undefined;
  /** Called once, with the last answer of the server, before {@link ClientOptions.onBytes}. */
  readonly onReady: () => void;
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
  const { host, port, hasTls, protocol, channels, from } = options;
  const { greetings } = protocol;
  let state: "handshake" | "greeting" | "subscribing" | "ready" | "closed" = "handshake";
  let rest: Buffer = Buffer.alloc(0);
  let greeted = 0;
  let subscribed = 0;

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
        `GET ${addressOf(protocol, channels[0] ?? DEFAULT_CHANNEL, from)} HTTP/1.1`,
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
    while (!isReady()) {
      const frame = readFrame(bytes, at);
      if (frame === undefined) break;
      at = frame.end;
      const payload = bytes.subarray(frame.payload, frame.end);
      if (!answerHeartbeat(protocol, frame.opcode, payload, write)) advance(payload.toString());
    }
    rest = Buffer.from(bytes.subarray(at));
    if (isReady() && rest.length > 0) options.onBytes(rest);
  }

  /** A function, because an assignment in another function changes the state. */
  function isReady(): boolean {
    return state === "ready";
  }

  function advance(text: string): void {
    const expected = state === "greeting" ? greetings[greeted]?.begins : protocol.subscribe?.answerBegins;
    if (expected === undefined || !text.startsWith(expected)) {
      throw new Error(`the server's greeting is ${JSON.stringify(text)}`);
    }
    if (state === "greeting") greet(text);
    else confirm(text);
  }

  function greet(text: string): void {
    const answer = greetings[greeted]?.answer;
    if (answer !== undefined) write(clientFrame(Buffer.from(answer)));
    greeted++;
    if (greeted < greetings.length) return;
    state = "subscribing";
    const subscriptions = channels.flatMap((channel) => subscriptionOf(protocol, channel, from) ?? []);
    if (subscriptions.length > 0) {
      write(Buffer.concat(subscriptions.map((each) => clientFrame(Buffer.from(each)))));
    } else if (protocol.acknowledgement === undefined) {
      becomeReady();
    } else {
      confirm(text);
    }
  }

  function confirm(text: string): void {
    const {
      subscribed: channel = channels[0],
      epoch,
      offset,
    } = JSON.parse(text) as Partial<Position & { subscribed: string }>;
    if (channel === undefined || epoch === undefined || offset === undefined)
      throw new Error(`the server's answer to a subscription is ${JSON.stringify(text)}`);
    subscribed++;
    options.onSubscribed?.(channel, { epoch, offset });
    if (subscribed === channels.length) becomeReady();
  }

  function becomeReady(): void {
    state = "ready";
    options.onReady();
  }

  function write(bytes: Buffer): void {
    socket.write(bytes);
  }

  function fail(error: Error): void {
    if (state === "closed") return;
    state = "closed";
    socket.destroy();
    options.onFailed(error);
  }
}

/**
 * Answers a ping or a heartbeat.
 * @returns whether the frame is one of them.
 */
export function answerHeartbeat(
  { heartbeat }: Protocol,
  opcode: number,
  payload: Buffer,
  write: (bytes: Buffer) => void,
): boolean {
  if (opcode === OPCODES.ping) {
    write(clientFrame(payload, OPCODES.pong));
    return true;
  }
  if (opcode !== OPCODES.text || heartbeat === undefined) return false;
  if (payload.length !== heartbeat.text.length || payload.toString() !== heartbeat.text) return false;
  if (heartbeat.answer !== undefined) write(clientFrame(Buffer.from(heartbeat.answer)));
  return true;
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
