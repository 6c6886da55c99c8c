import { ChannelError } from "../api/error.ts";

/** The status of a plain request for a path that is not a channel's. */
const NOT_FOUND = 404;

/** The statuses that no further attempt changes, with their probable causes. */
const FINAL_STATUSES: ReadonlyMap<number, string> = new Map([
  [400, "the channel's name or the query is malformed"],
  [401, "the token is missing, expired or invalid"],
  [403, "this origin or this token has no access to the channel"],
  [NOT_FOUND, "the path is not a channel's"],
  [405, "the path does not support WebSocket"],
  [426, "the path does not support this WebSocket version"],
]);

/** The statuses that a new token may change, and the number of consecutive attempts with a new one. */
const TOKEN_STATUSES: ReadonlySet<number> = new Set([401, 403]);
const MAX_NEW_TOKENS = 1;

/** Decides whether a refused upgrade ends the channel. */
export class RefusalCheck {
  readonly #url: URL;
  readonly #hasTokens: boolean;
  /** After a greeting, the address is known to be right, so refusals are temporary. */
  #hasGreeting = false;
  #tokenRefusals = 0;
  #probe: AbortController | undefined;

  constructor(url: URL, hasTokens: boolean) {
    this.#url = url;
    this.#hasTokens = hasTokens;
  }

  onGreeting(): void {
    this.#hasGreeting = true;
  }

  /** The error that ends the channel after a refusal with this status, or undefined if a further attempt may succeed. */
  check(status: number): ChannelError | undefined {
    const cause = FINAL_STATUSES.get(status);
    if (cause === undefined || this.#hasGreeting) return undefined;
    if (TOKEN_STATUSES.has(status) && this.#hasTokens) {
      this.#tokenRefusals += 1;
      if (this.#tokenRefusals <= MAX_NEW_TOKENS) return undefined;
    }
    const { origin, pathname } = this.#url;
    return new ChannelError(
      "refused",
      `${origin}${pathname} refuses the connection with status ${status}: ${cause}.`,
    );
  }

  /**
   * Sends one plain request to the same address, because a browser does not report the status of an upgrade. Only 404 means
   * the same for both. Further calls do nothing.
   */
  async probe(): Promise<ChannelError | undefined> {
    if (this.#hasGreeting || this.#probe !== undefined) return undefined;
    this.#probe = new AbortController();
    const url = new URL(this.#url);
    url.protocol = url.protocol === "wss:" ? "https:" : "http:";
    let status;
    try {
      const response = await fetch(url, {
        cache: "no-store",
        credentials: "omit",
        redirect: "manual",
        signal: this.#probe.signal,
      });
      ({ status } = response);
      await response.body?.cancel();
    } catch {
      // The address is unreachable, or CORS hides the response.
      return undefined;
    }
    return status === NOT_FOUND ? this.check(status) : undefined;
  }

  stop(): void {
    this.#probe?.abort();
  }
}
