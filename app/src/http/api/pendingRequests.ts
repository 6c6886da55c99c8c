import type { ServerResponse } from "node:http";

import { Condition } from "../../channel/condition.ts";

/** The requests without a complete answer. */
export class PendingRequests {
  readonly #changed = new Condition();
  #count = 0;

  /** Counts a request until its answer is complete, or its connection has closed. */
  begin(response: ServerResponse): void {
    this.#count += 1;
    response.once("close", () => {
      this.#count -= 1;
      this.#changed.notify();
    });
  }

  /** Resolves when no request is pending. */
  untilNone(): Promise<void> {
    return this.#changed.until(() => this.#count === 0);
  }
}
