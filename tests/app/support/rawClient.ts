/** Clients that write bytes and frames on a bare socket. */
import assert from "node:assert/strict";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { connect as connectSocket } from "node:net";
import type { Socket } from "node:net";

import * as ws from "ws";

import { headerLength, writeHeader } from "../../../app/src/wire/frame.ts";
import type { Opcode } from "../../../app/src/wire/frame.ts";
import { CHANNELS_SUBPROTOCOL } from "../../../app/src/wire/messages.ts";
import { due } from "../../support/waitUntil.ts";
import { afterwards } from "./teardown.ts";

/** A WebSocket client without automatic behaviour: it sends no pong and no Close frame by itself. */
export interface RawClient {
  readonly socket: Socket;
  /** Returns the bytes after the handshake's answer. */
  received(): Buffer;
  /** Resolves when `text` has arrived. */
  seen(text: string | Buffer): Promise<void>;
}

/** An upgrade request, as text. */
export function upgradeRequest(target = "/wss", headers: readonly string[] = []): string {
  return [
    `GET ${target} HTTP/1.1`,
    "Host: 127.0.0.1",
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
    ...headers,
    "\r\n",
  ].join("\r\n");
}

/** The header of an upgrade request for `channels.v1`. */
export const CHANNELS_HEADERS = [`Sec-WebSocket-Protocol: ${CHANNELS_SUBPROTOCOL}`] as const;

/** Opens a socket, which may be reset at any time, and destroys it after the test. */
export function openSocket(port: number): Socket {
  const socket = connectSocket(port, "127.0.0.1");
  afterwards(() => socket.destroy());
  socket.on("error", () => undefined);
  return socket;
}

/** Returns the server's end of the next connection. */
export function nextServerSocket(): Promise<Socket> {
  const accepted = Promise.withResolvers<Socket>();
  const onSocket = (message: unknown): void => {
    // What Node publishes there.
    accepted.resolve((message as { readonly socket: Socket }).socket);
  };
  subscribe("net.server.socket", onSocket);
  afterwards(() => unsubscribe("net.server.socket", onSocket));
  return due(accepted.promise, "a connection at the server");
}

/**
 * Connects, and reads the greeting.
 * @param request an upgrade request that the server accepts.
 */
export async function connectRaw(
  port: number,
  request: string | Buffer = upgradeRequest(),
): Promise<RawClient> {
  const socket = openSocket(port);
  socket.write(request);
  const chunks: Buffer[] = [];
  let bytes = Buffer.alloc(0);
  socket.on("data", (chunk) => chunks.push(chunk));
  const all = (): Buffer => {
    bytes = Buffer.concat([bytes, ...chunks.splice(0)]);
    return bytes;
  };
  const client: RawClient = {
    socket,
    received: () => all().subarray(bytes.indexOf("\r\n\r\n") + 4),
    async seen(text) {
      const arrived = async (): Promise<void> => {
        while (!all().includes(text)) await once(socket, "data");
      };
      await due(arrived(), () => `${quote(Buffer.from(text))} behind ${quote(all())}`);
    },
  };
  await client.seen('{"connection":"ok"');
  return client;
}

/** Connects in `channels.v1`, and subscribes to channels. */
export async function connectRawSubscriber(port: number, ...names: readonly string[]): Promise<RawClient> {
  const raw = await connectRaw(port, upgradeRequest("/wss", CHANNELS_HEADERS));
  for (const subscribe of names) {
    raw.socket.write(clientFrame(0x1, JSON.stringify({ subscribe })));
    await raw.seen(`{"subscribed":"${subscribe}"`);
  }
  return raw;
}

/** The last bytes, as text. */
function quote(bytes: Buffer): string {
  return JSON.stringify(bytes.toString("latin1", Math.max(0, bytes.length - 200)));
}

/** A frame as a client sends it: masked. */
export function clientFrame(opcode: number, payload: Uint8Array | string, mask = Buffer.alloc(4)): Buffer {
  const bytes = Buffer.from(payload);
  const start = headerLength(bytes.length) + mask.length;
  const frame = Buffer.alloc(start + bytes.length);
  // Any opcode may be written in tests.
  mask.copy(frame, writeHeader(frame, 0, opcode as Opcode, bytes.length));
  frame.writeUInt8((frame[1] ?? 0) | 0x80, 1);
  for (const [n, byte] of bytes.entries()) frame[start + n] = byte ^ (mask[n % 4] ?? 0);
  return frame;
}

/** Returns the first bytes of the payload of a Close frame. */
export function closeFrameStart(code: number): Buffer {
  return Buffer.from([code >> 8, code & 0xff]);
}

/** Writes bytes, and returns the answer when the server has closed the connection. */
export async function exchange(port: number, request: string): Promise<string> {
  const socket = openSocket(port);
  let answer = "";
  socket.setEncoding("latin1").on("data", (text: string) => (answer += text));
  socket.write(request, "latin1");
  await due(
    once(socket, "close"),
    () => `the server's end of the connection behind ${JSON.stringify(answer)}`,
  );
  return answer;
}

/** The library's own decoder, which its types leave out. */
interface Receiver {
  on(event: "message", listener: (data: Buffer, isBinary: boolean) => void): void;
  write(chunk: Buffer): void;
}
const { Receiver } = ws as unknown as { Receiver: new (options: { isServer: boolean }) => Receiver };

/** The text messages in a server's stream of frames, as a client of the library reads them. */
export function textsOf(stream: Buffer): string[] {
  const texts: string[] = [];
  const receiver = new Receiver({ isServer: false });
  receiver.on("message", (data, isBinary) => {
    assert.equal(isBinary, false);
    texts.push(data.toString());
  });
  receiver.write(stream);
  return texts;
}
