import type { User } from "../auth/users.ts";
import type { Client } from "../handlers/handlers.ts";
import type { Handled, Hooks } from "../handlers/hooks.ts";
import { packRecord } from "../log/record.ts";
import { toWireName } from "../wire/channelName.ts";
import type { ErrorBody } from "../wire/messages.ts";
import { Publishes } from "./publishes.ts";
import type { Publish, PublishesContext, PublishResult } from "./publishes.ts";

/**
 * Maximum time that a publish waits for those before it, in deadlines of a handler. With one, a single late handler would also
 * refuse the publish that follows it.
 */
const MAX_WAIT_DEADLINES = 2;

/** Creates the publishes of a client. @param client `undefined` if it has no connection. */
export function createPublishes(
  context: PublishesContext & { readonly hooks: Hooks | undefined },
  client: Client | undefined,
): Publishes {
  return context.hooks?.handlesPublishes === true
    ? new HandledPublishes(context, context.hooks, client)
    : new Publishes(context);
}

/** A publish that {@link Publishes.hold} counts. */
interface Held {
  readonly publish: Publish;
  readonly publisher: string | undefined;
  readonly user: User;
  readonly settle: (result: PublishResult) => void;
  /** Milliseconds on the monotonic clock. */
  readonly since: number;
}

/** The publishes of one client, each of which the handler `onPublish` changes or refuses, one after the other. */
class HandledPublishes extends Publishes {
  readonly #hooks: Hooks;
  readonly #client: Client | undefined;
  /** Whether the handler has no result yet. Further publishes wait. */
  #isHandling = false;
  #waiting: Held[] | undefined;

  constructor(context: PublishesContext, hooks: Hooks, client: Client | undefined) {
    super(context);
    this.#hooks = hooks;
    this.#client = client;
  }

  override publish(
    publish: Publish,
    publisher: string | undefined,
    user: User,
    settle: (result: PublishResult) => void,
  ): PublishResult | undefined {
    const refusal = this.hold(publish);
    if (refusal !== undefined) return refusal;
    const held: Held = { publish, publisher, user, settle, since: performance.now() };
    if (this.#isHandling) {
      this.#waiting ??= [];
      this.#waiting.push(held);
      return undefined;
    }
    const handled = this.#ask(held);
    if (!(handled instanceof Promise)) return this.#finish(held, handled);
    this.#isHandling = true;
    this.#finishLater(held, handled);
    return undefined;
  }

  override refuseWaiting(): void {
    const waiting = this.#waiting?.splice(0) ?? [];
    for (const held of waiting) this.#settle(held, this.#finish(held, WAITED_TOO_LONG));
  }

  #ask({ publish: { channel, json, id }, publisher: user }: Held): Handled | Promise<Handled> {
    return this.#hooks.publish({ client: this.#client, user, channel: toWireName(channel), json, id });
  }

  #finishLater(held: Held, handled: Promise<Handled>): void {
    void handled.then((result) => {
      this.#settle(held, this.#finish(held, result));
      this.#continue();
    });
  }

  /** Handles the publishes that wait, until the handler is asynchronous again. */
  #continue(): void {
    for (let held = this.#waiting?.shift(); held !== undefined; held = this.#waiting?.shift()) {
      const hasTime = performance.now() - held.since <= MAX_WAIT_DEADLINES * this.#hooks.timeoutMs;
      const handled = hasTime ? this.#ask(held) : WAITED_TOO_LONG;
      if (handled instanceof Promise) {
        this.#finishLater(held, handled);
        return;
      }
      this.#settle(held, this.#finish(held, handled));
    }
    this.#waiting = undefined;
    this.#isHandling = false;
  }

  #settle({ settle }: Held, result: PublishResult | undefined): void {
    if (result !== undefined) settle(result);
  }

  #finish({ publish, publisher, user, settle }: Held, handled: Handled): PublishResult | undefined {
    this.release(publish);
    if (typeof handled !== "string") return handled;
    const { channel, json, id } = publish;
    const message = { channel, payload: handled, id, publisher, user: user.key };
    if (id === undefined) return this.store(message, settle);
    return this.store({ ...message, source: packRecord({ payload: json, from: publisher }) }, settle);
  }
}

const WAITED_TOO_LONG: ErrorBody = {
  code: "unavailable",
  message: "The application has not handled the earlier messages in time; send it again later.",
};
