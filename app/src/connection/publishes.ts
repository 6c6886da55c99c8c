import type { Logger } from "pino";

import type { User } from "../auth/users.ts";
import type { Hub, PublishRequest } from "../channel/hub.ts";
import { IdInUseError } from "../log/log.ts";
import type { Appended } from "../log/log.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { ErrorBody } from "../wire/messages.ts";
import type { WireLimits } from "./wireLimits.ts";

/** A message that a client publishes. */
export interface Publish {
  readonly channel: string;
  /** Canonical JSON. */
  readonly json: string;
  readonly id?: string | undefined;
}

/** The position of a stored message, or the reason why it is not stored. */
export type PublishResult = Appended | ErrorBody;

export function isError(result: PublishResult): result is ErrorBody {
  return "code" in result;
}

export interface PublishesContext {
  readonly hub: Hub;
  readonly limits: Pick<WireLimits, "maxUnansweredBytes">;
  /** Bytes of all publishes of the task that the log has not answered yet. */
  readonly unanswered: { bytes: number };
  readonly metrics: Metrics;
  readonly logger: Logger;
}

/** The publishes of one client. */
export class Publishes {
  readonly #context: PublishesContext;
  #pending = 0;
  #pendingBytes = 0;

  constructor(context: PublishesContext) {
    this.#context = context;
  }

  /** Publishes that the log has not answered yet. */
  get pending(): number {
    return this.#pending;
  }

  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /**
   * Publishes a message.
   * @param settle called with a result that follows later.
   * @returns the result, if there is one already.
   */
  publish(
    { channel, json, id }: Publish,
    publisher: string | undefined,
    user: User,
    settle: (result: PublishResult) => void,
  ): PublishResult | undefined {
    if (this.#isOverloaded) return OVERLOADED;
    return this.store({ channel, payload: json, id, publisher, user: user.key }, settle);
  }

  /** Stores a message that is admitted: here, or by {@link hold}. The result is as that of {@link publish}. */
  protected store(
    message: PublishRequest,
    settle: (result: PublishResult) => void,
  ): PublishResult | undefined {
    const { hub, logger } = this.#context;
    const bytes = message.payload.length;
    const answer = hub.publish(message);
    if (!(answer instanceof Promise)) {
      this.#count(answer);
      return answer;
    }
    this.#add(1, bytes);
    answer.then(
      (appended) => {
        this.#add(-1, -bytes);
        this.#count(appended);
        settle(appended);
      },
      (error: unknown) => {
        this.#add(-1, -bytes);
        logger.debug({ err: error, channel: message.channel }, "message not published");
        settle(error instanceof IdInUseError ? ID_IN_USE : NOT_STORED);
      },
    );
    return undefined;
  }

  /**
   * Counts a publish that begins later. {@link release} must be called before.
   * @returns why it must not be held; `undefined` if it is.
   */
  hold({ json }: Publish): ErrorBody | undefined {
    if (this.#isOverloaded) return OVERLOADED;
    this.#add(1, json.length);
    return undefined;
  }

  release({ json }: Publish): void {
    this.#add(-1, -json.length);
  }

  /** Refuses the publishes that wait for a handler: the client has left. Those that wait for the log cannot be taken back. */
  refuseWaiting(): void {
    // None waits without a handler.
  }

  get #isOverloaded(): boolean {
    const { limits, unanswered } = this.#context;
    return unanswered.bytes > limits.maxUnansweredBytes;
  }

  #add(publishes: number, bytes: number): void {
    this.#pending += publishes;
    this.#pendingBytes += bytes;
    this.#context.unanswered.bytes += bytes;
  }

  #count({ duplicate }: Appended): void {
    const { counts } = this.#context.metrics;
    if (duplicate) counts.duplicates += 1;
    else counts.published += 1;
  }
}

const OVERLOADED: ErrorBody = {
  code: "unavailable",
  message: "The server waits for the store of too many messages; send it again later.",
};
const NOT_STORED: ErrorBody = {
  code: "unavailable",
  message: "The message was not stored; send it again later.",
};
const ID_IN_USE: ErrorBody = { code: "id_in_use", message: "Another message with this id is stored." };
