/** The parts of a browser or Node that the client uses. Tests replace them by options of `connect`. */

/** The time source of a client. */
export interface Clock {
  /** Milliseconds of a monotonic clock. It may stop while the machine sleeps. */
  readonly now: () => number;
  /** Milliseconds of a clock that continues while the machine sleeps. It may jump when the system time is set. */
  readonly date: () => number;
  /** Calls `action` once after that time. Returns a function that cancels the call. */
  readonly after: (milliseconds: number, action: () => void) => () => void;
}

/** The part of a WebSocket that the client uses. */
export interface WebSocketLike {
  readonly protocol: string;
  readonly bufferedAmount: number;
  send(text: string): void;
  close(code?: number): void;
  /** Ends the connection immediately. If the method exists, the client calls it for a connection that it takes for dead. */
  terminate?(): void;
  addEventListener(type: "message", listener: (event: { readonly data: unknown }) => void): void;
  addEventListener(
    type: "close",
    listener: (event: { readonly code: number; readonly reason: string }) => void,
  ): void;
  /** If the event has a `message` or an `error`, the client reports it as the reason. */
  addEventListener(type: "error", listener: (event: object) => void): void;
}

/** A class such as the global `WebSocket` or that of the package `ws`. */
export type WebSocketConstructor = new (url: string, protocols: string[]) => WebSocketLike;

/** The part of `window` that the client uses. The global object of Node or of a worker has only some of it. */
export interface Page {
  readonly document?: { readonly visibilityState: string } | undefined;
  readonly addEventListener?: (type: string, listener: (event: PageEvent) => void) => void;
  readonly removeEventListener?: (type: string, listener: (event: PageEvent) => void) => void;
}

/** The part of a page's event that the client uses. */
export interface PageEvent {
  readonly type: string;
  /** For `pageshow`: the browser restored the page from its back/forward cache. */
  readonly persisted?: boolean;
}

/** `setTimeout` runs a longer timer immediately. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export const SYSTEM_CLOCK: Clock = {
  now: () => performance.now(),
  date: () => Date.now(),
  after: (milliseconds, action) => {
    const timer = setTimeout(action, Math.min(milliseconds, MAX_TIMER_MS));
    return () => {
      clearTimeout(timer);
    };
  },
};

/** The global object as a page. Node's types have none of these members, and at run time Node lacks most of them. */
export const GLOBAL_PAGE = globalThis as unknown as Page;
