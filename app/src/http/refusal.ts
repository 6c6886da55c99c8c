/** The answers to upgrade requests that are not accepted, and to requests that cannot be read. */
import { STATUS_CODES } from "node:http";
import type { OutgoingHttpHeaders } from "node:http";
import type { Duplex } from "node:stream";

/** Time after which a client may try again if the task is full or draining, or its user has reached a limit. */
export const RETRY_AFTER_SECONDS = 5;

export interface Refusal {
  readonly status: 400 | 401 | 403 | 404 | 405 | 408 | 429 | 431 | 503;
  /** For the developer of the client. @default the status's phrase */
  readonly reason?: string;
  readonly headers?: OutgoingHttpHeaders;
}

/** The task cannot accept the client now; another task or a later attempt can. */
export const BUSY: Refusal = { status: 503, headers: { "Retry-After": RETRY_AFTER_SECONDS } };

/** The user has reached a limit. */
export const TOO_MANY: Refusal = { status: 429, headers: { "Retry-After": RETRY_AFTER_SECONDS } };

/** Answers a request with an HTTP error on its bare socket, and closes the socket. */
export function refuse(socket: Duplex, { status, reason, headers = {} }: Refusal): void {
  const phrase = STATUS_CODES[status] ?? "";
  const body = reason ?? phrase;
  const lines = Object.entries({
    Connection: "close",
    "Content-Type": "text/plain; charset=utf-8",
    "Content-Length": Buffer.byteLength(body),
    ...(status === 401 && { "WWW-Authenticate": "Bearer" }),
    ...headers,
  }).map(([name, value]) => `${name}: ${String(value)}\r\n`);

  socket.once("finish", () => socket.destroy());
  socket.end(`HTTP/1.1 ${status} ${phrase}\r\n${lines.join("")}\r\n${body}`);
}
