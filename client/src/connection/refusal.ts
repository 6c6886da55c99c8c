import { ClientError } from "../api/error.ts";

/** The status of a plain request for a path that is not the server's. */
const NOT_FOUND = 404;

/** The statuses that no further attempt changes. PROTOCOL.md has their causes. */
const FINAL_STATUSES: ReadonlySet<number> = new Set([400, 401, 403, NOT_FOUND, 405, 426]);

/** The statuses that a new token may change, and the number of consecutive attempts with a new one. */
const TOKEN_STATUSES: ReadonlySet<number> = new Set([401, 403]);
const MAX_NEW_TOKENS = 1;

/** Decides whether a refused upgrade ends the connection. */
export class RefusalCheck {
  readonly #url: URL;
  readonly #hasTokens: boolean;
  /** After a greeting, the address is known to be right, so refusals are temporary. */
  #hasGreeting = false;
  #tokenRefusals = 0;
  #probe: AbortController | undefined;

  /** @param hasTokens whether a function returns a new token for each attempt. */
  constructor(url: URL, hasTokens: boolean) {
    this.#url = url;
    this.#hasTokens = hasTokens;
  }

  onGreeting(): void {
    this.#hasGreeting = true;
  }

  /** The error that ends the connection after a refusal with this status, or undefined if a further attempt may succeed. */
  check(status: number): ClientError | undefined {
    if (!FINAL_STATUSES.has(status) || this.#hasGreeting) return undefined;
    if (TOKEN_STATUSES.has(status) && this.#hasTokens) {
      this.#tokenRefusals += 1;
      if (this.#tokenRefusals <= MAX_NEW_TOKENS) return undefined;
    }
    const { origin, pathname } = this.#url;
    return new ClientError("refused", `${origin}${pathname} refuses the connection with status ${status}.`);
  }

  /**
   * Sends one plain request to the same address, because a browser does not report the status of an upgrade. Only 404 means
   * the same for both. Further calls do nothing.
   */
  async probe(): Promise<ClientError | undefined> {
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
