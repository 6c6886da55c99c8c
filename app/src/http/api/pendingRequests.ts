import type { ServerResponse } from "node:http";

import { Condition } from "../../channel/condition.ts";

/** The requests without a complete answer, and the memory for their bodies. */
export class PendingRequests {
  readonly #maxBodyBytes: number;
  readonly #changed = new Condition();
  #count = 0;
  #bodyBytes = 0;

  /** @param maxBodyBytes maximum size of all bodies. */
  constructor(maxBodyBytes: number) {
    this.#maxBodyBytes = maxBodyBytes;
  }

  /** Counts a request until its answer is complete, or its connection has closed. */
  begin(response: ServerResponse): void {
    this.#count += 1;
    response.once("close", () => {
      this.#count -= 1;
      this.#changed.notify();
    });
  }

  /** Counts bytes of a body as long as the request. @returns false if there is no room, or no client; nothing is counted then. */
  reserve(bytes: number, response: ServerResponse): boolean {
    // The response of a client that has left emits no further event, which would release the bytes.
    if (response.destroyed || this.#bodyBytes + bytes > this.#maxBodyBytes) return false;
    this.#bodyBytes += bytes;
    response.once("close", () => {
      this.#bodyBytes -= bytes;
    });
    return true;
  }

  /** Resolves when no request is pending. */
  untilNone(): Promise<void> {
    return this.#changed.until(() => this.#count === 0);
  }
}
