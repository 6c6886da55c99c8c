import type { Logger } from "pino";

import { RecurringProblem } from "../recurringProblem.ts";
import type { Retention } from "./retention.ts";
import { ValkeyChannel } from "./valkeyChannel.ts";
import type { Command, Outcome, ValkeyConnection } from "./valkeyConnection.ts";
import { evalCommand, evalshaCommand, isUnknownScript, openScript } from "./valkeyScripts.ts";

/** What Valkey keeps of a channel that nobody refreshes, beyond the time that its entries are retained, in seconds. */
const EXPIRY_MARGIN_SECONDS = 300;

/** A channel as it was when it was opened. */
export interface OpenedChannel {
  readonly epoch: string;
  /** Offset of the oldest retained entry. */
  readonly first: number;
  /** Offset of the next entry. */
  readonly end: number;
}

/** The channels that this process uses, and what it knows of them. */
export class ValkeyChannels {
  /** Milliseconds after which a channel that no task refreshes is forgotten by the server. */
  readonly expiryMs: number;
  readonly #channels = new Map<string, ValkeyChannel>();
  readonly #refusal: RecurringProblem;

  constructor({ retainedSeconds, logger }: Retention & { readonly logger: Logger }) {
    this.expiryMs = (retainedSeconds + EXPIRY_MARGIN_SECONDS) * 1000;
    this.#refusal = new RecurringProblem({
      logger,
      begun: "Valkey refuses to open a channel",
      ended: "Valkey no longer refuses to open a channel",
    });
  }

  get(name: string): ValkeyChannel {
    let channel = this.#channels.get(name);
    if (channel === undefined) {
      channel = new ValkeyChannel(name);
      this.#channels.set(name, channel);
    }
    channel.usedAt = performance.now();
    return channel;
  }

  all(): Iterable<ValkeyChannel> {
    return this.#channels.values();
  }

  forget(channel: ValkeyChannel): void {
    this.#channels.delete(channel.name);
  }

  /**
   * Opens channels: makes those that do not exist, refreshes the expiry of the others, and begins those anew whose stream
   * does not hold what is known of it.
   * @returns each in the order of `channels`, or why it is not open.
   */
  async open(
    connection: ValkeyConnection,
    channels: readonly ValkeyChannel[],
  ): Promise<readonly (OpenedChannel | Error)[]> {
    let outcomes = await connection.send(channels.map((channel) => this.#command(evalshaCommand, channel)));
    if (outcomes.some(needsText)) {
      outcomes = await connection.send(channels.map((channel) => this.#command(evalCommand, channel)));
    }
    return outcomes.map((outcome, index) => {
      if (outcome.kind === "refused") this.#refusal.note(outcome.error);
      if (outcome.kind !== "answered") return outcome.error;
      // By the script.
      const [epoch, first, end] = outcome.reply as [string, number, number];
      channels[index]?.adopt(epoch);
      // The marker at the beginning is no entry.
      return { epoch, first: Math.max(1, first), end };
    });
  }

  #command(run: typeof evalCommand, channel: ValkeyChannel): Command {
    const { key, idKeys, epoch, offset, entryName } = channel;
    return run(openScript, key, ...idKeys, this.expiryMs, epoch ?? 0, offset, entryName);
  }
}

function needsText(outcome: Outcome): boolean {
  return outcome.kind === "refused" && isUnknownScript(outcome.error);
}
