import { ClientError, messageOf } from "../api/error.ts";
import type { Loss } from "../api/events.ts";
import type { ConnectOptions } from "../api/options.ts";
import type { Clock, WebSocketConstructor, WebSocketLike } from "../platform/platform.ts";
import { Timer } from "../platform/timer.ts";
import { CLOSE_NORMAL } from "./closeCodes.ts";

export const SUBPROTOCOL = "channels.v1";

/** The characters of a subprotocol. @see https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2 */
const SUBPROTOCOL_TOKEN = /^[\w!#$%&'*+.^`|~-]+$/;

/** The error message of `ws` that contains the status of a refused upgrade. Browsers do not report the status. */
const REFUSED_UPGRADE = /^Unexpected server response: (\d{3})$/;

export interface SocketOptions {
  readonly url: URL;
  readonly WebSocket: WebSocketConstructor;
  readonly token: ConnectOptions["token"];
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly onData: (data: unknown) => void;
  /** @param status the HTTP status of a refused upgrade, if the WebSocket reports it, or else NaN. */
  readonly onLoss: (loss: Loss, status: number) => void;
  /** The platform permanently rejects the URL. */
  readonly onInvalidUrl: (error: ClientError) => void;
}

/** One attempt to connect and, if it succeeds, the WebSocket. After `close`, it calls no callback. */
export class Socket {
  readonly #options: SocketOptions;
  /** By the clock that continues while the machine sleeps. */
  readonly #startedAt: number;
  readonly #timer: Timer;
  #openedAt: number | undefined;
  #webSocket: WebSocketLike | undefined;
  #isClosed = false;

  constructor(options: SocketOptions) {
    const { clock, timeoutMs, onLoss } = options;
    this.#options = options;
    this.#startedAt = clock.date();
    this.#timer = new Timer(clock, () => {
      onLoss({ reason: `no greeting within ${timeoutMs} ms` }, NaN);
    });
    this.#timer.start(timeoutMs);
  }

  /** Milliseconds since the start of the attempt. */
  get ageMs(): number {
    return this.#options.clock.date() - this.#startedAt;
  }

  /** Milliseconds since the greeting; undefined before it. */
  get openMs(): number | undefined {
    return this.#openedAt === undefined ? undefined : this.#options.clock.now() - this.#openedAt;
  }

  get bufferedAmount(): number {
    return this.#webSocket?.bufferedAmount ?? 0;
  }

  async open(): Promise<void> {
    const { url, WebSocket, token, onData, onLoss, onInvalidUrl } = this.#options;
    const protocols = [SUBPROTOCOL];
    try {
      // Without a token, too, so that the caller of `connect` can add its listeners.
      const value = await (typeof token === "function" ? token() : token);
      if (value !== undefined) protocols.push(`bearer.${checkToken(value)}`);
    } catch (error) {
      if (!this.#isClosed) onLoss({ reason: `no token: ${messageOf(error)}` }, NaN);
      return;
    }
    if (this.#isClosed) return;

    let webSocket;
    try {
      webSocket = new WebSocket(url.href, protocols);
    } catch (error) {
      if (isUrlError(error)) {
        onInvalidUrl(new ClientError("invalid_url", messageOf(error), { cause: error }));
      } else {
        onLoss({ reason: `no WebSocket: ${messageOf(error)}` }, NaN);
      }
      return;
    }
    this.#webSocket = webSocket;
    webSocket.addEventListener("message", ({ data }) => {
      if (!this.#isClosed) onData(data);
    });
    // The close event follows, and its reason is only the peer's.
    let failure = "";
    webSocket.addEventListener("error", (event) => {
      failure = describeFailure(event);
    });
    webSocket.addEventListener("close", ({ code, reason }) => {
      if (this.#isClosed) return;
      onLoss({ code, reason: reason === "" ? failure : reason }, Number(REFUSED_UPGRADE.exec(failure)?.[1]));
    });
  }

  onGreeting(): void {
    this.#timer.stop();
    this.#openedAt ??= this.#options.clock.now();
  }

  send(frame: string): void {
    this.#webSocket?.send(frame);
  }

  /** @param isDead whether the server is expected to send no Close frame. Some WebSockets wait for one. */
  close({ isDead }: { readonly isDead: boolean }): void {
    this.#isClosed = true;
    this.#timer.stop();
    this.#webSocket?.close(CLOSE_NORMAL);
    if (isDead) this.#webSocket?.terminate?.();
  }
}

/**
 * Whether an error of the constructor is about the URL, and therefore permanent.
 * @see https://websockets.spec.whatwg.org/#dom-websocket-websocket
 */
function isUrlError(error: unknown): boolean {
  return error instanceof Error && (error.name === "SyntaxError" || error.name === "SecurityError");
}

function checkToken(token: string): string {
  if (!SUBPROTOCOL_TOKEN.test(token))
    throw new Error("it has characters that a subprotocol must not contain");
  return token;
}

/** The failure that the `error` event of a WebSocket reports. In a browser, it is empty. */
function describeFailure(event: { readonly message?: unknown; readonly error?: unknown }): string {
  if (typeof event.message === "string" && event.message !== "") return event.message;
  // If all addresses of a host refuse the connection, Node's error has a code and no message.
  const { error } = event;
  return typeof error === "object" && error !== null && "code" in error ? String(error.code) : "";
}
