import type { Server } from "node:http";
import type { Duplex } from "node:stream";

export interface HttpConnectionsOptions {
  /** Maximum number of idle connections. Beyond it, the connection that has been idle for longest is closed. */
  readonly maxIdle: number;
  /** Time after which a connection is closed whose client does not read an answer. */
  readonly answerTimeoutMs: number;
  /** Answers a malformed request. */
  readonly onMalformedRequest: (socket: Duplex, status: 400 | 408 | 431) => void;
}

/**
 * Maximum number of pipelined requests of a connection. Their answers wait in memory, and neither browsers nor load balancers
 * pipeline requests.
 */
const MAX_UNANSWERED_REQUESTS = 16;

/** Statuses of Node.js' error codes. Other errors have the status 400. */
const STATUSES: Readonly<Record<string, 408 | 431>> = {
  ERR_HTTP_REQUEST_TIMEOUT: 408,
  HPE_HEADER_OVERFLOW: 431,
};

/** The connections of an HTTP server that are not WebSockets: limits idle connections and pipelined requests. */
export class HttpConnections {
  readonly #idle = new Set<Duplex>();
  /** Number of unanswered requests, by connection. A response can end after its connection. */
  readonly #unanswered = new WeakMap<Duplex, number>();
  /** Upgrades that wait for the answers to earlier requests, by connection. */
  readonly #waiting = new Map<Duplex, () => void>();

  // Listeners and timers are added by request: most connections that become WebSockets have had none.
  constructor(http: Server, { maxIdle, answerTimeoutMs, onMalformedRequest }: HttpConnectionsOptions) {
    http.on("request", ({ socket }, response) => {
      this.#idle.delete(socket);
      socket.setTimeout(answerTimeoutMs);
      if (!this.#unanswered.has(socket)) {
        socket.once("close", () => {
          this.#idle.delete(socket);
          this.#waiting.delete(socket);
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
    // Node.js would answer an unknown expectation itself, beyond all limits. RFC 9110 §10.1.1 allows ignoring it.
    http.on("checkExpectation", (request, response) => {
      http.emit("request", request, response);
    });
    http.on("clientError", (error: NodeJS.ErrnoException, socket) => {
      const isAnswering = (this.#unanswered.get(socket) ?? 0) > 0;
      if (error.code === "ECONNRESET" || !socket.writable || isAnswering) socket.destroy();
      else onMalformedRequest(socket, STATUSES[error.code ?? ""] ?? 400);
    });
  }

  /** Releases a connection, and calls `upgrade` when the requests before the upgrade are answered. */
  leave(socket: Duplex, upgrade: () => void): void {
    this.#idle.delete(socket);
    if ((this.#unanswered.get(socket) ?? 0) === 0) {
      upgrade();
      return;
    }
    // At an upgrade, Node.js removes its own listener, and the client may never read the answers.
    const drop = (): void => {
      socket.destroy();
    };
    socket.once("timeout", drop);
    this.#waiting.set(socket, () => {
      this.#waiting.delete(socket);
      socket.off("timeout", drop);
      upgrade();
    });
  }

  /** Closes the connections with a waiting upgrade. Node.js no longer closes them with the server. */
  close(): void {
    for (const socket of this.#waiting.keys()) socket.destroy();
  }
}
