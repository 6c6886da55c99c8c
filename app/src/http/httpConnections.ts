/** The connections of an HTTP server that are no WebSockets: those that are idle, and those whose answers are not out. */
import type { Server } from "node:http";
import type { Duplex } from "node:stream";

export interface HttpConnectionsOptions {
  /** Connections that may wait for their next request; the ones that have waited longest are closed. */
  readonly maxIdle: number;
  /** Closes a connection whose client reads no answer for so long. */
  readonly answerTimeoutMs: number;
  /** Answers a request that cannot be read. */
  readonly onUnreadable: (socket: Duplex, status: 400 | 408 | 431) => void;
}

/**
 * Requests that a connection may have sent ahead of its answers. All answers wait in memory, and no browser and no load
 * balancer sends any request ahead.
 */
const MAX_UNANSWERED_REQUESTS = 16;

/** Node's codes of errors that have a status of their own. */
const STATUSES: Readonly<Record<string, 408 | 431>> = {
  ERR_HTTP_REQUEST_TIMEOUT: 408,
  HPE_HEADER_OVERFLOW: 431,
};

export class HttpConnections {
  readonly #idle = new Set<Duplex>();
  /** Requests that are not answered yet, by connection. A response can end after its connection. */
  readonly #unanswered = new WeakMap<Duplex, number>();
  /** Called when a connection has no unanswered request. */
  readonly #waiting = new WeakMap<Duplex, () => void>();

  // Listeners and timers are added by request: a connection that becomes a WebSocket must not keep any.
  constructor(http: Server, { maxIdle, answerTimeoutMs, onUnreadable }: HttpConnectionsOptions) {
    http.on("request", ({ socket }, response) => {
      this.#idle.delete(socket);
      socket.setTimeout(answerTimeoutMs);
      if (!this.#unanswered.has(socket)) {
        socket.once("close", () => {
          this.#idle.delete(socket);
        });
      }
      const unanswered = (this.#unanswered.get(socket) ?? 0) + 1;
      this.#unanswered.set(socket, unanswered);
      if (unanswered > MAX_UNANSWERED_REQUESTS) socket.destroy();
      response.once("close", () => {
        const left = (this.#unanswered.get(socket) ?? 0) - 1;
        this.#unanswered.set(socket, left);
        if (left > 0 || socket.destroyed) return;
        const resume = this.#waiting.get(socket);
        if (resume !== undefined) resume();
        else this.#idle.add(socket);
        const [longest] = this.#idle;
        if (this.#idle.size > maxIdle) longest?.destroy();
      });
    });
    http.on("clientError", (error: NodeJS.ErrnoException, socket) => {
      const isAnswering = (this.#unanswered.get(socket) ?? 0) > 0;
      if (error.code === "ECONNRESET" || !socket.writable || isAnswering) socket.destroy();
      else onUnreadable(socket, STATUSES[error.code ?? ""] ?? 400);
    });
  }

  /** Hands a connection over to `upgrade`, when the requests before the upgrade are answered. */
  leave(socket: Duplex, upgrade: () => void): void {
    this.#idle.delete(socket);
    if ((this.#unanswered.get(socket) ?? 0) > 0) this.#waiting.set(socket, upgrade);
    else upgrade();
  }
}
