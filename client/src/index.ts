/// <reference lib="esnext.disposable" preserve="true" />
/**
 * The client of the `resume.v1` subprotocol, for browsers and Node: it connects again by itself, continues where it
 * stopped, and publishes until the server has acknowledged. PROTOCOL.md of the server is what it follows.
 *
 * One file, no dependency, and only syntax that can be erased: Node runs it as it is.
 */

/** A place in a channel's log: the message `offset` of the life `epoch`. */
export interface Position {
  readonly epoch: string;
  readonly offset: number;
}

/** Messages that were missed and do not come any more: from `from` to `to`; without `to`, nobody knows how many. */
export interface Gap {
  readonly epoch: string;
  readonly from: number;
  readonly to?: number;
}

/** A message, with its place. */
export interface Delivered<Message> extends Position {
  readonly message: Message;
  readonly gap?: undefined;
}

/** A gap at its place between the messages. */
export interface Missed {
  readonly gap: Gap;
  readonly message?: undefined;
  readonly epoch?: undefined;
  readonly offset?: undefined;
}

/** What an iterator over a channel yields. */
export type Delivery<Message> = Delivered<Message> | Missed;

/** Why a connection ended, or did not come about. */
export interface Loss {
  /** Close code of RFC 6455, such as 1006; absent where the client itself gave the connection up. */
  readonly code?: number;
  /** For people: the server's, or what went wrong as far as the WebSocket tells, as that of a browser does not; may be empty. */
  readonly reason: string;
}

export type State =
  /** `failures` in a row came before this attempt. */
  | { readonly name: "connecting"; readonly failures: number }
  /** The server has greeted. `heartbeat` is the interval of its pings in seconds. */
  | ({ readonly name: "open"; readonly heartbeat: number } & Position)
  /** The next attempt is in `delay` milliseconds, or sooner where the page or the network comes back. */
  | ({ readonly name: "waiting"; readonly delay: number } & Loss)
  /** For good. `error` where nobody asked for it. */
  | { readonly name: "closed"; readonly error?: ChannelError };

export interface ChannelEvents<Message> {
  readonly message: Delivered<Message>;
  readonly gap: Gap;
  readonly state: State;
}

/** Why a publish was rejected, or a channel ended. */
export type ChannelErrorCode =
  /** The channel was closed before the acknowledgement. What had been sent may be stored all the same. */
  | "closed"
  /** More waits for its acknowledgement than `maxQueueMessages` or `maxQueueBytes` allow; it was not sent. */
  | "queue_full"
  /** The server does not take messages of that size, or it is above `maxQueueBytes` by itself; it was not stored. */
  | "too_large"
  /** Another message with this id is stored in the channel; this one was not. Ids are taken at random: it does not happen by itself. */
  | "id_in_use"
  /** The address is none, or the page may not connect to it (such as `ws:` on an `https:` page). */
  | "invalid_url"
  /** The server refuses the connection, for good: the address, the origin or the token is wrong. */
  | "refused"
  /** There is no global WebSocket, and none was given. */
  | "no_websocket"
  /** Codes of the server, such as `invalid_message`. */
  | (string & {});

export class ChannelError extends Error {
  override readonly name = "ChannelError";
  readonly code: ChannelErrorCode;

  constructor(code: ChannelErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Every limit and time of a client, each an option of {@link connect}. All are at least 1. */
export interface Limits {
  /**
   * Milliseconds. The wait after the n-th failure in a row is a time at random from 0 to
   * `min(backoffCapMs, backoffBaseMs * 2 ** (n - 1))`: full jitter. After a code that says "later" (1008 without a
   * `token`, 1011, 1013 and the like), it is from `backoffBaseMs` on, and n is at least 4.
   * @see https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
   * @default 1000
   */
  readonly backoffBaseMs: number;
  /** Milliseconds; the longest wait between two attempts. @default 30000 */
  readonly backoffCapMs: number;
  /**
   * Milliseconds from the beginning of an attempt, its `token()` included, to the server's greeting. The server answers an
   * upgrade within 8 seconds, so less hides why it refuses one.
   * @default 10000
   */
  readonly connectTimeoutMs: number;
  /**
   * Milliseconds without an answer to any publish under way, after which the connection is given up; the server's
   * WEBSOCKET_PUBLISH_TIMEOUT_SECONDS must be less.
   * @default 15000
   */
  readonly ackTimeoutMs: number;
  /** Milliseconds for which `close()` waits for acknowledgements. @default 5000 */
  readonly closeTimeoutMs: number;
  /**
   * Publishes sent and not yet acknowledged. With 1, the order of the calls is the order of the channel in every
   * case; with more, a publish that the server refused with `unavailable` can be overtaken by those sent along with it.
   * @default 64
   */
  readonly maxInFlight: number;
  /** Publishes per second, sustained; the server's WEBSOCKET_MESSAGES_PER_SECOND must not be less. @default 90 */
  readonly publishesPerSecond: number;
  /** Publishes at once; the server's WEBSOCKET_MESSAGE_BURST must be above it. @default 100 */
  readonly publishBurst: number;
  /** Bytes of publishes per second, sustained; the server's WEBSOCKET_BYTES_PER_SECOND must not be less. @default 943718 */
  readonly publishBytesPerSecond: number;
  /** Publishes that may wait for their acknowledgement, sent or not; beyond it `publish` rejects. @default 1000 */
  readonly maxQueueMessages: number;
  /** Bytes of the same; a single publish that is larger is `too_large`. @default 1048576 */
  readonly maxQueueBytes: number;
  /** Messages that one iterator holds for its reader; what comes beyond it, the reader finds as a gap. @default 10000 */
  readonly maxBufferMessages: number;
  /** Characters of the same, as JSON. @default 16777216 */
  readonly maxBufferCharacters: number;
}

export const DEFAULT_LIMITS: Limits = {
  backoffBaseMs: 1000,
  backoffCapMs: 30_000,
  connectTimeoutMs: 10_000,
  ackTimeoutMs: 15_000,
  closeTimeoutMs: 5000,
  maxInFlight: 64,
  publishesPerSecond: 90,
  publishBurst: 100,
  publishBytesPerSecond: 943_718,
  maxQueueMessages: 1000,
  maxQueueBytes: 1024 * 1024,
  maxBufferMessages: 10_000,
  maxBufferCharacters: 16 * 1024 * 1024,
};

export interface ConnectOptions extends Partial<Limits> {
  /** Called for each connection; the token goes along as the subprotocol `bearer.TOKEN`. A failure is tried again. */
  readonly token?: () => string | Promise<string>;
  /** The place of the last message that was handled earlier. Without it, the channel begins with what comes next. */
  readonly from?: Position;
  /** Instead of the global one. */
  readonly WebSocket?: WebSocketConstructor;
  /** Instead of the system's. */
  readonly clock?: Clock;
  /** Instead of `Math.random`: at least 0, less than 1. */
  readonly random?: () => number;
  /** Whose events tell that a page or a network comes back; instead of the global object. */
  readonly page?: Page;
}

export interface Clock {
  /** Milliseconds of a monotonic clock: it never goes back. It may stand still while the machine sleeps. */
  readonly now: () => number;
  /** Milliseconds of a clock that goes on while the machine sleeps. It may jump, when the system's time is set. */
  readonly date: () => number;
  /** Calls `action` once, after that time. Returns how to prevent it. */
  readonly after: (milliseconds: number, action: () => void) => () => void;
}

/** What is used of a WebSocket. */
export interface WebSocketLike {
  readonly protocol: string;
  readonly bufferedAmount: number;
  send(text: string): void;
  close(code?: number): void;
  /** Ends the connection at once; called, where there is one, on a connection that is given up as dead. */
  terminate?(): void;
  addEventListener(type: "message", listener: (event: { readonly data: unknown }) => void): void;
  addEventListener(
    type: "close",
    listener: (event: { readonly code: number; readonly reason: string }) => void,
  ): void;
  /** Where the event has a `message` or an `error`, it is told as the reason. */
  addEventListener(type: "error", listener: (event: object) => void): void;
}

export type WebSocketConstructor = new (url: string, protocols: string[]) => WebSocketLike;

/** What is used of `window`; the global object of Node and of a worker has less, or nothing, of it. */
export interface Page {
  readonly document?: { readonly visibilityState: string } | undefined;
  readonly addEventListener?: (type: string, listener: (event: PageEvent) => void) => void;
  readonly removeEventListener?: (type: string, listener: (event: PageEvent) => void) => void;
}

export interface PageEvent {
  readonly type: string;
  /** Of `pageshow`: the page comes out of the back/forward cache. */
  readonly persisted?: boolean;
}

/**
 * Opens a channel, and keeps it open until `close()`.
 * @param url of the channel: `wss://HOST/wss/NAME`. `http` and `https` are taken for `ws` and `wss`; in a page, the
 * address may be relative.
 * @throws {ChannelError} `invalid_url`, `no_websocket`.
 * @throws {RangeError} where a limit is not a number of at least 1.
 */
export function connect<Message = unknown>(
  url: string | URL,
  options: ConnectOptions = {},
): Channel<Message> {
  return new Channel(url, options);
}

export type { Channel };

const SUBPROTOCOL = "resume.v1";

/** What a subprotocol may consist of. @see https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2 */
const TOKEN = /^[\w!#$%&'*+.^`|~-]+$/;

/** A connection that lasted this long was a good one: the failures before it do not count any more. */
const STABLE_MS = 5000;

/** The backoff after a code that says "later" begins with this many failures. */
const LATER_FAILURES = 4;

/** Bytes sent and not yet acknowledged; one publish may always be. A slow network is not given more than it can take. */
const MAX_IN_FLIGHT_BYTES = 256 * 1024;

/** Bytes that are sent at once before the rate applies, in seconds at that rate; the server allows more. */
const BYTE_BURST_SECONDS = 2;

/** Pause after the error `unavailable`: at least half of it, at random. */
const UNAVAILABLE_PAUSE_MS = 2000;

const TICK_MS = 15_000;

/**
 * A tick that is later than this was not run because page or machine slept: even a hidden page gets its timers once a
 * minute. The server has dropped the connection meanwhile, or the network has.
 * @see https://developer.chrome.com/blog/timer-throttling-in-chrome-88
 */
const SUSPENDED_MS = 75_000;

/** An attempt older than this is begun anew when the page comes back: a hidden page's may hang. */
const IMPATIENT_MS = 2000;

/** The longest wait that is left when the page or the network comes back; at random, as a network does so for many. */
const COMEBACK_MS = 1000;

/** A server that says when it is alive is taken for dead after this many of its intervals without a frame, and the slack. */
const SILENT_HEARTBEATS = 2;
const SILENCE_SLACK_MS = 1000;

const PAGE_EVENTS = ["visibilitychange", "pageshow", "resume", "online", "offline"];

const CLOSE_NORMAL = 1000;
const CLOSE_ABNORMAL = 1006;
const CLOSE_POLICY_VIOLATION = 1008;
const CLOSE_TOO_BIG = 1009;

/** What a server answers to any request at an address that is not a channel's. */
const NOT_FOUND = 404;

/** How `ws` reports the status of an upgrade that is refused. Browsers report none. */
const REFUSED_UPGRADE = /^Unexpected server response: (\d{3})$/;

/** Statuses that are the same at the next attempt, with their probable causes. */
const FINAL_STATUSES: ReadonlyMap<number, string> = new Map([
  [400, "the name of the channel, or the query, is wrong"],
  [401, "the token is missing, expired or not valid"],
  [403, "this origin, or this token, may not open the channel"],
  [NOT_FOUND, "there is no channel at this path"],
  [405, "this path takes no WebSocket"],
  [426, "this path takes no WebSocket of this version"],
]);

/** Statuses that a new token may change, and how often in a row they are tried again with one. */
const TOKEN_STATUSES: ReadonlySet<number> = new Set([401, 403]);
const MAX_NEW_TOKENS = 1;

/** Codes after which one connects again soon, and not later. */
const SOON: ReadonlySet<number | undefined> = new Set([undefined, 1000, 1001, 1005, 1006, 1012]);

/** A timer that is set for longer runs at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

const SYSTEM_CLOCK: Clock = {
  now: () => performance.now(),
  date: () => Date.now(),
  after: (milliseconds, action) => {
    const timer = setTimeout(action, Math.min(milliseconds, MAX_TIMER_MS));
    return () => {
      clearTimeout(timer);
    };
  },
};

interface Publish {
  readonly id: string;
  readonly frame: string;
  readonly bytes: number;
  readonly resolve: (position: Position) => void;
  readonly reject: (reason: unknown) => void;
  /** Stops listening to the caller's signal. */
  readonly release: () => void;
}

/** A channel of the server. Made by {@link connect}. */
class Channel<Message = unknown> implements AsyncIterable<Delivery<Message>>, AsyncDisposable {
  readonly #url: URL;
  readonly #options: ConnectOptions;
  readonly #WebSocket: WebSocketConstructor;
  readonly #limits: Limits;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #page: Page;
  readonly #bucket: TokenBucket;
  readonly #byteBucket: TokenBucket;
  readonly #ids = idSource();

  #state: State = { name: "connecting", failures: 0 };
  readonly #listeners = new Map<keyof ChannelEvents<Message>, Set<(detail: never) => void>>();
  /** Calls of listeners, in order, while one of them runs. */
  readonly #calls: (() => void)[] = [];
  readonly #deliveries = new Set<Deliveries<Message>>();
  readonly #states = new Set<Latest<State>>();

  #position: Position | undefined;
  /** Follows from the greeting; the server's own word about it comes directly after. */
  #unreported: Gap | undefined;

  /** What the newest attempt is known by. */
  #attempt: symbol | undefined;
  /** By the clock that goes on while the machine sleeps. */
  #attemptedAt = 0;
  #socket: WebSocketLike | undefined;
  #openedAt: number | undefined;
  /** Whether the server has ever greeted: then the address is right, and a refusal may pass. */
  #hasOpened = false;
  /** Refusals in a row that a new token might have changed. */
  #tokenRefusals = 0;
  /** Ends the request that asks for the status of a refusal. */
  #probe: AbortController | undefined;
  #failures = 0;
  /** By the clock that goes on while the machine sleeps. */
  #nextTickAt = Infinity;
  #wasOffline = false;
  /** Of the wait for the next attempt. */
  #retryAt = 0;
  /** Whether the server has asked for that wait. */
  #isLater = false;

  #heardAt = 0;
  /** Milliseconds without a frame after which a server that sends heartbeats is taken for dead. */
  #silenceMs = Infinity;
  /**
   * Whether silence tells that a connection is dead. Until one was silent: then that may have been an older server, which
   * sends no heartbeats, and the next one has to send one first.
   */
  #beats = true;

  /** Everything without an acknowledgement, in the order of the calls. */
  readonly #queue = new Map<string, Publish>();
  #queuedBytes = 0;
  /** Bytes of what was sent on this connection and not answered, by id; the server works on what was given up, too. */
  readonly #inFlight = new Map<string, number>();
  #inFlightBytes = 0;
  /** What the socket had not sent yet, when it was last looked at. */
  #buffered = 0;

  #closing: Promise<void> | undefined;
  #closed: () => void = nothing;

  readonly #connectTimer: Timer;
  readonly #retryTimer: Timer;
  readonly #tickTimer: Timer;
  readonly #silenceTimer: Timer;
  readonly #ackTimer: Timer;
  /** While it runs, nothing is sent. */
  readonly #holdTimer: Timer;
  readonly #closeTimer: Timer;

  constructor(url: string | URL, options: ConnectOptions) {
    this.#url = webSocketUrl(url);
    this.#options = options;
    this.#WebSocket = options.WebSocket ?? globalWebSocket();
    this.#limits = limitsOf(options);
    this.#clock = options.clock ?? SYSTEM_CLOCK;
    this.#random = options.random ?? Math.random;
    // Node's global object has nothing of a page, and its types say so.
    this.#page = options.page ?? (globalThis as unknown as Page);
    this.#position = options.from;
    const { publishesPerSecond, publishBurst, publishBytesPerSecond } = this.#limits;
    this.#bucket = new TokenBucket(publishesPerSecond, publishBurst, this.#clock.now);
    const byteBurst = BYTE_BURST_SECONDS * publishBytesPerSecond;
    this.#byteBucket = new TokenBucket(publishBytesPerSecond, byteBurst, this.#clock.now);

    const timer = (action: () => void): Timer => new Timer(this.#clock, action);
    this.#connectTimer = timer(() => {
      this.#lose({ reason: `no greeting within ${this.#limits.connectTimeoutMs} ms` });
    });
    this.#retryTimer = timer(() => {
      this.#dial();
    });
    this.#tickTimer = timer(() => {
      this.#tick();
    });
    this.#silenceTimer = timer(() => {
      this.#missHeartbeat();
    });
    this.#ackTimer = timer(() => {
      this.#missAck();
    });
    this.#holdTimer = timer(() => {
      this.#flush();
    });
    this.#closeTimer = timer(() => {
      this.#end();
    });

    for (const type of PAGE_EVENTS) this.#page.addEventListener?.(type, this.#onPage);
    this.#dial();
  }

  get state(): State {
    return this.#state;
  }

  /**
   * The last message that has come, or where the server said that the channel begins; undefined before the first greeting.
   * An iterator may still hold messages up to here: to go on in another client, keep the place of the last one handled.
   */
  get position(): Position | undefined {
    return this.#position;
  }

  /** Publishes that are not acknowledged yet. */
  get pending(): number {
    return this.#queue.size;
  }

  /**
   * Publishes a value, now or when there is a connection, and again until it is acknowledged: it is stored once.
   * @param signal gives it up; what had been sent may be stored all the same.
   * @returns the place of the message.
   * @throws {ChannelError} `closed`, `queue_full`, `too_large`, or a code of the server.
   * @throws {TypeError} where the value has no JSON.
   * @throws the signal's reason.
   */
  async publish(value: Message, { signal }: { readonly signal?: AbortSignal } = {}): Promise<Position> {
    signal?.throwIfAborted();
    if (this.#closing !== undefined) throw new ChannelError("closed", "The channel is closed.");
    // Its type leaves out that it returns undefined for a function, a symbol and undefined.
    const json = JSON.stringify(value) as string | undefined;
    if (json === undefined)
      throw new TypeError("The value has no JSON: it is undefined, a function or a symbol.");

    const id = this.#ids();
    const frame = `{"publish":${json},"id":"${id}"}`;
    const bytes = new TextEncoder().encode(frame).length;
    const { maxQueueMessages, maxQueueBytes } = this.#limits;
    if (bytes > maxQueueBytes) {
      throw new ChannelError(
        "too_large",
        `A publish of ${bytes} bytes is above ${maxQueueBytes}, maxQueueBytes.`,
      );
    }
    if (this.#queue.size >= maxQueueMessages || this.#queuedBytes + bytes > maxQueueBytes) {
      throw new ChannelError(
        "queue_full",
        `${this.#queue.size} publishes of ${this.#queuedBytes} bytes wait for their acknowledgement; with this one of ` +
          `${bytes} bytes it would be more than ${maxQueueMessages} or ${maxQueueBytes} bytes.`,
      );
    }
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        this.#settle(publish);
        reject(signal?.reason as Error);
        // When the same signal has given all others up, too.
        queueMicrotask(() => {
          this.#flush();
        });
      };
      const release = (): void => {
        signal?.removeEventListener("abort", abort);
      };
      const publish: Publish = { id, frame, bytes, resolve, reject, release };
      signal?.addEventListener("abort", abort);
      this.#queue.set(id, publish);
      this.#queuedBytes += bytes;
      this.#flush();
    });
  }

  /**
   * Calls `listener` for each event from now on, in order. An error that it throws is reported as uncaught. The first
   * attempt begins before anybody can listen: `state` tells that.
   * @returns how to stop it.
   */
  on<Type extends keyof ChannelEvents<Message>>(
    type: Type,
    listener: (detail: ChannelEvents<Message>[Type]) => void,
  ): () => void {
    const listeners = this.#listeners.get(type) ?? new Set();
    this.#listeners.set(type, listeners);
    // A function of its own, so that one listener can be added twice, and each can be stopped.
    const added = (detail: ChannelEvents<Message>[Type]): void => {
      listener(detail);
    };
    listeners.add(added);
    return () => {
      listeners.delete(added);
    };
  }

  /**
   * The messages from now on, and the gaps between them. A reader that falls behind by more than `maxBufferMessages`
   * or `maxBufferCharacters` finds a gap for what it did not take, too. Ends when the channel is closed; throws the
   * error where nobody asked for that.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<Delivery<Message>, undefined> {
    const error = this.#state.name === "closed" ? this.#state.error : undefined;
    return this.#stream(this.#deliveries, new Deliveries<Message>(this.#limits), error);
  }

  /** The state now, and each one that follows; of several since the last look, the newest. Ends with `closed`. */
  states(): AsyncIterableIterator<State, undefined> {
    const states = new Latest<State>();
    states.push(this.#state);
    return this.#stream(this.#states, states);
  }

  /**
   * Takes no more publishes, and closes the channel when all are acknowledged or `closeTimeoutMs` have passed; what is
   * then left is rejected with `closed`. It does not wait for the WebSocket, which may say goodbye for some time longer.
   * Idempotent.
   */
  close(): Promise<void> {
    if (this.#closing === undefined) {
      this.#closing = new Promise((resolve) => {
        this.#closed = resolve;
      });
      this.#closeTimer.start(this.#limits.closeTimeoutMs);
      this.#endIfDone();
    }
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #dial(): void {
    const attempt = Symbol();
    this.#attempt = attempt;
    this.#attemptedAt = this.#clock.date();
    this.#connectTimer.start(this.#limits.connectTimeoutMs);
    this.#become({ name: "connecting", failures: this.#failures });
    void this.#open(attempt);
  }

  async #open(attempt: symbol): Promise<void> {
    const protocols = [SUBPROTOCOL];
    try {
      const token = await this.#options.token?.();
      if (token !== undefined) protocols.push(`bearer.${checkedToken(token)}`);
    } catch (error) {
      if (this.#attempt === attempt) this.#lose({ reason: `no token: ${messageOf(error)}` });
      return;
    }
    if (this.#attempt !== attempt) return;

    let socket;
    try {
      socket = new this.#WebSocket(this.#address(), protocols);
    } catch (error) {
      if (isRefusal(error)) this.#end(new ChannelError("invalid_url", messageOf(error), { cause: error }));
      else this.#lose({ reason: `no WebSocket: ${messageOf(error)}` });
      return;
    }
    this.#socket = socket;
    socket.addEventListener("message", ({ data }) => {
      if (this.#socket === socket) this.#receive(data);
    });
    // A close follows, whose reason is the peer's alone. Browsers do not tell what went wrong; Node and libraries do.
    let failure = "";
    socket.addEventListener("error", (event) => {
      failure = failureOf(event);
    });
    socket.addEventListener("close", ({ code, reason }) => {
      if (this.#socket !== socket) return;
      const refusal = this.#refusalBy(Number(REFUSED_UPGRADE.exec(failure)?.[1]));
      if (refusal !== undefined) {
        this.#end(refusal);
        return;
      }
      this.#lose({ code, reason: reason === "" ? failure : reason });
      if (code === CLOSE_ABNORMAL && failure === "") void this.#askForStatus();
    });
  }

  /** The error that ends the channel if the server answers an upgrade with this status; none if it may pass. */
  #refusalBy(status: number): ChannelError | undefined {
    const cause = FINAL_STATUSES.get(status);
    if (cause === undefined || this.#hasOpened) return undefined;
    if (TOKEN_STATUSES.has(status) && this.#options.token !== undefined) {
      this.#tokenRefusals += 1;
      if (this.#tokenRefusals <= MAX_NEW_TOKENS) return undefined;
    }
    const { origin, pathname } = this.#url;
    return new ChannelError(
      "refused",
      `${origin}${pathname} refuses the connection with status ${status}: ${cause}.`,
    );
  }

  /** A plain request to the same address, once: a browser reports nothing about an upgrade, and this one's status. */
  async #askForStatus(): Promise<void> {
    if (this.#hasOpened || this.#probe !== undefined || this.#isClosed()) return;
    this.#probe = new AbortController();
    const url = new URL(this.#url);
    url.protocol = url.protocol === "wss:" ? "https:" : "http:";
    let status;
    try {
      const { signal } = this.#probe;
      const response = await fetch(url, {
        cache: "no-store",
        credentials: "omit",
        redirect: "manual",
        signal,
      });
      ({ status } = response);
      await response.body?.cancel();
    } catch {
      // Not reachable, or not for this page.
      return;
    }
    // What other statuses of a plain request mean for an upgrade is up to the server.
    const refusal = status === NOT_FOUND ? this.#refusalBy(status) : undefined;
    if (refusal !== undefined) this.#end(refusal);
  }

  #address(): string {
    const url = new URL(this.#url);
    if (this.#position !== undefined) {
      url.searchParams.set("epoch", this.#position.epoch);
      url.searchParams.set("offset", String(this.#position.offset));
    }
    return url.href;
  }

  #receive(data: unknown): void {
    this.#heardAt = this.#clock.now();
    const frame = parse(data);
    if (frame.kind === "greeting") {
      this.#greet(frame);
      return;
    }
    const position = this.#position;
    if (frame.kind === "malformed" || position === undefined || this.#state.name !== "open") {
      this.#lose({ reason: `not ${SUBPROTOCOL}: ${String(data).slice(0, 100)}` });
      return;
    }
    if (frame.kind === "gap") this.#unreported = frame.gap;
    this.#reportUnreported();
    if (this.#isClosed()) return;
    switch (frame.kind) {
      case "message":
        this.#deliver(position, frame);
        break;
      case "ack":
        this.#answer(frame.id, (publish) => {
          this.#settle(publish);
          publish.resolve({ epoch: frame.epoch ?? position.epoch, offset: frame.offset });
        });
        break;
      case "error":
        this.#answer(frame.id, (publish) => {
          this.#refuse(publish, frame);
        });
        break;
      case "heartbeat":
        this.#beats = true;
        this.#watchSilence(frame.seconds);
        break;
      case "gap":
      case "unknown":
    }
  }

  #greet({ epoch, offset, heartbeat }: Frame & { readonly kind: "greeting" }): void {
    this.#connectTimer.stop();
    this.#reportUnreported();
    if (this.#isClosed()) return;
    const before = this.#position;
    if (before?.epoch !== epoch) {
      if (before !== undefined) this.#unreported = { epoch: before.epoch, from: before.offset + 1 };
      this.#position = { epoch, offset };
    } else if (before.offset < offset) {
      this.#unreported = { epoch, from: before.offset + 1, to: offset };
      this.#position = { epoch, offset };
    } else if (before.offset > offset) {
      // The log does not have what was seen: other messages will have these numbers.
      this.#unreported = { epoch, from: offset + 1 };
      this.#position = { epoch, offset };
    }
    this.#openedAt ??= this.#clock.now();
    this.#hasOpened = true;
    this.#startTicking();
    if (this.#beats) this.#watchSilence(heartbeat);
    this.#unsend();
    this.#become({ name: "open", epoch, offset, heartbeat });
    this.#flush();
  }

  #deliver({ epoch, offset: last }: Position, { message, offset, size }: Frame & { kind: "message" }): void {
    if (offset <= last) return;
    // The server does not leave any out; if it did, that would not go unnoticed.
    if (offset > last + 1) this.#miss({ epoch, from: last + 1, to: offset - 1 });
    if (this.#isClosed()) return;
    this.#position = { epoch, offset };
    // Whoever chose the type of the messages knows what is published.
    const delivered = { message: message as Message, epoch, offset };
    for (const stream of this.#deliveries) stream.push(delivered, size);
    this.#emit("message", delivered);
  }

  #reportUnreported(): void {
    const gap = this.#unreported;
    this.#unreported = undefined;
    if (gap !== undefined) this.#miss(gap);
  }

  #miss(gap: Gap): void {
    for (const stream of this.#deliveries) stream.push({ gap });
    this.#emit("gap", gap);
  }

  /** Sends what is not sent, in order, as far as limits allow. */
  #flush(): void {
    const socket = this.#socket;
    if (socket === undefined || this.#state.name !== "open" || this.#holdTimer.running) return;
    for (const publish of this.#queue.values()) {
      if (this.#inFlight.size >= this.#limits.maxInFlight) break;
      if (this.#inFlight.has(publish.id)) continue;
      if (this.#inFlight.size > 0 && this.#inFlightBytes + publish.bytes > MAX_IN_FLIGHT_BYTES) break;
      const wait = Math.max(this.#bucket.wait(1), this.#byteBucket.wait(publish.bytes));
      if (wait > 0) {
        this.#holdTimer.start(wait);
        break;
      }
      this.#bucket.take(1);
      this.#byteBucket.take(publish.bytes);
      this.#inFlight.set(publish.id, publish.bytes);
      this.#inFlightBytes += publish.bytes;
      socket.send(publish.frame);
    }
    this.#buffered = socket.bufferedAmount;
    if (this.#inFlight.size > 0 && !this.#ackTimer.running) this.#ackTimer.start(this.#limits.ackTimeoutMs);
  }

  #answer(id: string | undefined, act: (publish: Publish) => void): void {
    this.#ackTimer.stop();
    if (id !== undefined) {
      this.#inFlightBytes -= this.#inFlight.get(id) ?? 0;
      this.#inFlight.delete(id);
      const publish = this.#queue.get(id);
      // None where it was answered before, or given up.
      if (publish !== undefined) act(publish);
    }
    this.#flush();
  }

  #refuse(publish: Publish, { code, message }: Frame & { kind: "error" }): void {
    if (code !== "unavailable") {
      this.#settle(publish);
      publish.reject(new ChannelError(code, message));
      return;
    }
    this.#holdTimer.start(UNAVAILABLE_PAUSE_MS * (0.5 + 0.5 * this.#random()));
  }

  /** Not being answered is not being alive, unless a slow network still takes what was sent. */
  #missAck(): void {
    const buffered = this.#socket?.bufferedAmount ?? 0;
    if (buffered < this.#buffered) {
      this.#buffered = buffered;
      this.#ackTimer.start(this.#limits.ackTimeoutMs);
    } else {
      this.#lose({ reason: `a publish was not answered within ${this.#limits.ackTimeoutMs} ms` });
    }
  }

  #settle(publish: Publish): void {
    if (!this.#queue.delete(publish.id)) return;
    this.#queuedBytes -= publish.bytes;
    publish.release();
    // After the promise has settled.
    if (this.#closing !== undefined)
      queueMicrotask(() => {
        this.#endIfDone();
      });
  }

  #unsend(): void {
    this.#inFlight.clear();
    this.#inFlightBytes = 0;
    this.#ackTimer.stop();
  }

  #watchSilence(heartbeat: number): void {
    this.#silenceMs = SILENT_HEARTBEATS * heartbeat * 1000 + SILENCE_SLACK_MS;
    this.#silenceTimer.start(this.#silenceMs);
  }

  /** Not once per frame: the timer runs out, and looks how long it has been silent. */
  #missHeartbeat(): void {
    const rest = this.#heardAt + this.#silenceMs - this.#clock.now();
    // A longer rest is impossible: the clock has gone back, by how much is unknown.
    if (rest > 0 && rest <= this.#silenceMs) {
      this.#silenceTimer.start(rest);
    } else {
      this.#beats = false;
      this.#lose({ reason: `nothing came for ${this.#silenceMs} ms` });
    }
  }

  /** Waits, and connects again. */
  #lose(loss: Loss): void {
    if (loss.code === CLOSE_TOO_BIG) this.#rejectLargest();
    const openFor = this.#openedAt === undefined ? 0 : this.#clock.now() - this.#openedAt;
    this.#hangUp({ dead: true });
    if (this.#isClosed()) return;
    this.#failures = openFor < STABLE_MS ? this.#failures + 1 : 1;
    this.#isLater = !this.#isSoon(loss.code);
    const delay = this.#backoff();
    this.#retryAt = this.#clock.now() + delay;
    this.#retryTimer.start(delay);
    this.#become({ name: "waiting", delay, ...loss });
  }

  #isSoon(code: number | undefined): boolean {
    // A new token may be all that was missing.
    return SOON.has(code) || (code === CLOSE_POLICY_VIOLATION && this.#options.token !== undefined);
  }

  /** Milliseconds until the next attempt. */
  #backoff(): number {
    const { backoffBaseMs, backoffCapMs } = this.#limits;
    const failures = this.#isLater ? Math.max(this.#failures, LATER_FAILURES) : this.#failures;
    const longest = Math.min(backoffCapMs, backoffBaseMs * 2 ** (failures - 1));
    const shortest = this.#isLater ? Math.min(backoffBaseMs, longest) : 0;
    return shortest + this.#random() * (longest - shortest);
  }

  /** If any message on its way was too big, the largest one was. */
  #rejectLargest(): void {
    const sent = [...this.#queue.values()].filter(({ id }) => this.#inFlight.has(id));
    if (sent.length === 0) return;
    const largest = sent.reduce((one, other) => (other.bytes > one.bytes ? other : one));
    this.#settle(largest);
    largest.reject(
      new ChannelError("too_large", `The server does not take messages of ${largest.bytes} bytes.`),
    );
  }

  /**
   * Ends the connection, or what there is of it.
   * @param dead whether no Close frame is to be expected from the other side; some WebSockets wait for one.
   */
  #hangUp({ dead }: { readonly dead: boolean }): void {
    const socket = this.#socket;
    this.#socket = undefined;
    this.#attempt = undefined;
    this.#openedAt = undefined;
    this.#nextTickAt = Infinity;
    for (const timer of [
      this.#connectTimer,
      this.#retryTimer,
      this.#tickTimer,
      this.#silenceTimer,
      this.#holdTimer,
    ]) {
      timer.stop();
    }
    this.#unsend();
    socket?.close(CLOSE_NORMAL);
    if (dead) socket?.terminate?.();
    this.#reportUnreported();
  }

  /** Asked after listeners were called: they may have closed the channel. */
  #isClosed(): boolean {
    return this.#state.name === "closed";
  }

  #endIfDone(): void {
    if (this.#queue.size === 0) this.#end();
  }

  #end(error?: ChannelError): void {
    if (this.#state.name === "closed") return;
    this.#closing ??= Promise.resolve();
    for (const type of PAGE_EVENTS) this.#page.removeEventListener?.(type, this.#onPage);
    this.#probe?.abort();
    // Who acknowledges nothing answers no Close frame.
    this.#hangUp({ dead: this.#queue.size > 0 });
    for (const publish of [...this.#queue.values()]) {
      this.#settle(publish);
      publish.reject(
        error ?? new ChannelError("closed", "The channel was closed before the acknowledgement."),
      );
    }
    this.#closeTimer.stop();
    this.#become(error === undefined ? { name: "closed" } : { name: "closed", error });
    for (const stream of this.#deliveries) stream.end(error);
    for (const stream of this.#states) stream.end();
    this.#closed();
  }

  #startTicking(): void {
    this.#nextTickAt = this.#clock.date() + TICK_MS;
    this.#tickTimer.start(TICK_MS);
  }

  #tick(): void {
    if (this.#wasSuspended()) this.#redial();
    else this.#startTicking();
  }

  #wasSuspended(): boolean {
    return this.#clock.date() - this.#nextTickAt > SUSPENDED_MS;
  }

  /** A new connection resumes where the old one stopped, whether that one was dead or not. */
  #redial(): void {
    this.#hangUp({ dead: true });
    if (!this.#isClosed()) this.#dial();
  }

  readonly #onPage = ({ type, persisted }: PageEvent): void => {
    if (type === "offline") {
      this.#wasOffline = true;
      return;
    }
    if (type === "visibilitychange" && this.#page.document?.visibilityState === "hidden") return;
    const changedNetwork = type === "online" && this.#wasOffline;
    if (type === "online") this.#wasOffline = false;

    switch (this.#state.name) {
      case "waiting":
        if (!this.#isLater) this.#hurry();
        break;
      case "connecting":
        if (this.#clock.date() - this.#attemptedAt > IMPATIENT_MS) this.#redial();
        break;
      case "open":
        if (changedNetwork || persisted === true || this.#wasSuspended()) this.#redial();
        break;
      case "closed":
    }
  };

  #hurry(): void {
    const rest = Math.max(0, this.#retryAt - this.#clock.now());
    const delay = this.#random() * Math.min(rest, COMEBACK_MS);
    this.#retryAt = this.#clock.now() + delay;
    this.#retryTimer.start(delay);
  }

  #become(state: State): void {
    this.#state = state;
    for (const stream of this.#states) stream.push(state);
    this.#emit("state", state);
  }

  #emit<Type extends keyof ChannelEvents<Message>>(type: Type, detail: ChannelEvents<Message>[Type]): void {
    const listeners = this.#listeners.get(type);
    // What a listener does may be an event, too: it comes when all have been told of this one.
    const isCalling = this.#calls.length > 0;
    for (const listener of listeners ?? []) {
      this.#calls.push(() => {
        // `on` has put it under its own type.
        if (listeners?.has(listener) === true) listener(detail as never);
      });
    }
    if (isCalling) return;
    for (const call of this.#calls) {
      try {
        call();
      } catch (error) {
        // One listener's error must not keep the channel from working.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
    this.#calls.length = 0;
  }

  #stream<Kind extends Pick<Stream<unknown>, "end" | "onReturn">>(
    streams: Set<Kind>,
    stream: Kind,
    error?: Error,
  ): Kind {
    if (this.#state.name === "closed") {
      stream.end(error);
      return stream;
    }
    streams.add(stream);
    stream.onReturn = () => streams.delete(stream);
    return stream;
  }
}

/** What is pushed, for one reader that takes it in its own time. */
abstract class Stream<Item> implements AsyncIterableIterator<Item, undefined> {
  onReturn: () => void = nothing;
  protected readonly buffer: { item: Item; readonly size: number }[] = [];
  /** Of all items in the buffer. */
  protected size = 0;
  readonly #readers: {
    resolve: (result: IteratorResult<Item, undefined>) => void;
    reject: (error: Error) => void;
  }[] = [];
  #ended = false;
  #error: Error | undefined;

  /** Puts an item into the buffer, which nobody waits for. */
  protected abstract keep(item: Item, size: number): void;

  push(item: Item, size = 0): void {
    const reader = this.#readers.shift();
    if (reader === undefined) this.keep(item, size);
    else reader.resolve({ done: false, value: item });
  }

  /** What is in the buffer can still be read. */
  end(error?: Error): void {
    this.#ended = true;
    const [first, ...others] = this.#readers.splice(0);
    if (error === undefined) first?.resolve(DONE);
    else if (first === undefined) this.#error = error;
    else first.reject(error);
    for (const reader of others) reader.resolve(DONE);
  }

  next(): Promise<IteratorResult<Item, undefined>> {
    const entry = this.buffer.shift();
    if (entry !== undefined) {
      this.size -= entry.size;
      return Promise.resolve({ done: false, value: entry.item });
    }
    if (!this.#ended) return new Promise((resolve, reject) => this.#readers.push({ resolve, reject }));
    const error = this.#error;
    this.#error = undefined;
    return error === undefined ? Promise.resolve(DONE) : Promise.reject(error);
  }

  return(): Promise<IteratorResult<Item, undefined>> {
    this.onReturn();
    this.buffer.length = 0;
    this.#error = undefined;
    this.end();
    return Promise.resolve(DONE);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

const DONE: IteratorReturnResult<undefined> = { done: true, value: undefined };

/** Keeps the newest item only. */
class Latest<Item> extends Stream<Item> {
  protected override keep(item: Item): void {
    this.buffer[0] = { item, size: 0 };
  }
}

/** Keeps a bounded number of messages; what comes beyond, until the reader has taken the rest, is one gap. */
class Deliveries<Message> extends Stream<Delivery<Message>> {
  readonly #limits: Limits;
  /** The gap at the end of the buffer that grows by what is not kept. */
  #overflow: Gap | undefined;

  constructor(limits: Limits) {
    super();
    this.#limits = limits;
  }

  protected override keep(item: Delivery<Message>, size: number): void {
    const last = this.buffer.at(-1);
    const overflow =
      last?.item.gap !== undefined && last.item.gap === this.#overflow ? this.#overflow : undefined;
    if (item.gap !== undefined) {
      this.buffer.push({ item, size });
    } else if (last !== undefined && overflow?.epoch === item.epoch) {
      this.#overflow = { ...overflow, to: item.offset };
      last.item = { gap: this.#overflow };
    } else if (overflow !== undefined || !this.#hasRoom(size)) {
      this.#overflow = { epoch: item.epoch, from: item.offset, to: item.offset };
      this.buffer.push({ item: { gap: this.#overflow }, size: 0 });
    } else {
      this.buffer.push({ item, size });
      this.size += size;
    }
  }

  #hasRoom(size: number): boolean {
    const { maxBufferMessages, maxBufferCharacters } = this.#limits;
    const { length } = this.buffer;
    return length === 0 || (length < maxBufferMessages && this.size + size <= maxBufferCharacters);
  }
}

/** One timer that is set again and again. */
class Timer {
  readonly #clock: Clock;
  readonly #action: () => void;
  #cancel: (() => void) | undefined;

  constructor(clock: Clock, action: () => void) {
    this.#clock = clock;
    this.#action = action;
  }

  get running(): boolean {
    return this.#cancel !== undefined;
  }

  start(milliseconds: number): void {
    this.stop();
    this.#cancel = this.#clock.after(milliseconds, () => {
      this.#cancel = undefined;
      this.#action();
    });
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }
}

class TokenBucket {
  readonly #perMs: number;
  readonly #burst: number;
  readonly #now: () => number;
  #tokens: number;
  #filledAt: number;

  constructor(perSecond: number, burst: number, now: () => number) {
    this.#perMs = perSecond / 1000;
    this.#burst = burst;
    this.#now = now;
    this.#tokens = burst;
    this.#filledAt = now();
  }

  /** Milliseconds until there are so many tokens, or as many as there can be; 0 if there are. */
  wait(count: number): number {
    const now = this.#now();
    // A clock that was set back fills nothing.
    this.#tokens = Math.min(this.#burst, this.#tokens + Math.max(0, now - this.#filledAt) * this.#perMs);
    this.#filledAt = now;
    return Math.max(0, Math.ceil((Math.min(count, this.#burst) - this.#tokens) / this.#perMs));
  }

  take(count: number): void {
    this.#tokens -= Math.min(count, this.#burst);
  }
}

/** What a frame of the server says. */
type Frame =
  | { readonly kind: "greeting"; readonly epoch: string; readonly offset: number; readonly heartbeat: number }
  | { readonly kind: "message"; readonly message: unknown; readonly offset: number; readonly size: number }
  /** Older servers tell no epoch. */
  | { readonly kind: "ack"; readonly id: string; readonly epoch: string | undefined; readonly offset: number }
  | {
      readonly kind: "error";
      readonly id: string | undefined;
      readonly code: string;
      readonly message: string;
    }
  | { readonly kind: "gap"; readonly gap: Gap }
  | { readonly kind: "heartbeat"; readonly seconds: number }
  /** Of a later version of the protocol. */
  | { readonly kind: "unknown" }
  | { readonly kind: "malformed" };

const MALFORMED: Frame = { kind: "malformed" };

function parse(data: unknown): Frame {
  if (typeof data !== "string") return MALFORMED;
  let value: unknown;
  try {
    value = JSON.parse(data);
  } catch {
    return MALFORMED;
  }
  if (!isObject(value)) return MALFORMED;
  const { connection, message, ack, error, gap, epoch, offset, heartbeat } = value;
  if ("message" in value) {
    return isOffset(offset) ? { kind: "message", message, offset, size: data.length } : MALFORMED;
  }
  if (connection !== undefined) {
    return typeof epoch === "string" && isOffset(offset) && isInterval(heartbeat)
      ? { kind: "greeting", epoch, offset, heartbeat }
      : MALFORMED;
  }
  if (ack !== undefined) {
    if (typeof ack !== "string" || !isOffset(offset)) return MALFORMED;
    return { kind: "ack", id: ack, epoch: typeof epoch === "string" ? epoch : undefined, offset };
  }
  if (error !== undefined) {
    if (!isObject(error)) return MALFORMED;
    const { code, message: words, id } = error;
    return {
      kind: "error",
      id: typeof id === "string" ? id : undefined,
      code: String(code),
      message: String(words),
    };
  }
  if (gap !== undefined) return gapOf(gap);
  if (heartbeat !== undefined) {
    return isInterval(heartbeat) ? { kind: "heartbeat", seconds: heartbeat } : MALFORMED;
  }
  return { kind: "unknown" };
}

function gapOf(value: unknown): Frame {
  if (!isObject(value)) return MALFORMED;
  const { epoch, from, to } = value;
  if (typeof epoch !== "string" || !isOffset(from)) return MALFORMED;
  if (to === undefined) return { kind: "gap", gap: { epoch, from } };
  return isOffset(to) ? { kind: "gap", gap: { epoch, from, to } } : MALFORMED;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

function isOffset(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

function isInterval(value: unknown): value is number {
  return typeof value === "number" && value > 0;
}

function globalWebSocket(): WebSocketConstructor {
  const { WebSocket } = globalThis as { readonly WebSocket?: WebSocketConstructor };
  if (WebSocket === undefined) {
    throw new ChannelError(
      "no_websocket",
      "There is no global WebSocket (Node has one since version 22): give one as the option WebSocket.",
    );
  }
  return WebSocket;
}

/**
 * Whether a constructor's error is about the address, and so for good; whatever else it is may pass.
 * @see https://websockets.spec.whatwg.org/#dom-websocket-websocket
 */
function isRefusal(error: unknown): boolean {
  return error instanceof Error && (error.name === "SyntaxError" || error.name === "SecurityError");
}

function webSocketUrl(text: string | URL): URL {
  const { location } = globalThis as { readonly location?: { readonly href: string } };
  let url;
  try {
    url = new URL(text, location?.href);
  } catch (error) {
    throw new ChannelError("invalid_url", `${String(text)} is no URL.`, { cause: error });
  }
  if (url.protocol === "http:") url.protocol = "ws:";
  if (url.protocol === "https:") url.protocol = "wss:";
  if (url.protocol !== "ws:" && url.protocol !== "wss:") {
    throw new ChannelError("invalid_url", `${url.href} must begin with wss:, ws:, https: or http:.`);
  }
  url.hash = "";
  return url;
}

function limitsOf(options: ConnectOptions): Limits {
  const limits = { ...DEFAULT_LIMITS };
  for (const name of Object.keys(limits) as (keyof Limits)[]) {
    const value = options[name] ?? limits[name];
    // Infinity is one; NaN is not.
    if (!(value >= 1)) throw new RangeError(`${name} is ${value}, and must be a number of at least 1.`);
    limits[name] = value;
  }
  return limits;
}

function checkedToken(token: string): string {
  if (!TOKEN.test(token)) throw new Error("it has characters that no subprotocol may have");
  return token;
}

/** Ids that nobody else takes. `crypto.randomUUID` would need a secure context; this works on any page. */
function idSource(): () => string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const prefix = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  let count = 0;
  return () => `${prefix}-${(count += 1)}`;
}

/** What the `error` event of a WebSocket says; nothing in a browser. */
function failureOf(event: { readonly message?: unknown; readonly error?: unknown }): string {
  if (typeof event.message === "string" && event.message !== "") return event.message;
  // Where each address of a host was refused, Node's error has a code, and no message.
  const { error } = event;
  return typeof error === "object" && error !== null && "code" in error ? String(error.code) : "";
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function nothing(): void {
  return undefined;
}
