import type { Logger } from "pino";

import { RecurringProblem } from "../recurringProblem.ts";
import type { Retention } from "./retention.ts";
import { STORAGE_KEY, ValkeyChannel } from "./valkeyChannel.ts";
import type { Command, Outcome, ValkeyConnection } from "./valkeyConnection.ts";
import { evalCommand, evalshaCommand, isUnknownScript, openScript } from "./valkeyScripts.ts";
import { STORAGE_FULL, StorageFullError } from "./valkeyStorage.ts";

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

export interface ValkeyChannelsParts extends Retention {
  /** What all channels together may take of Valkey's memory; 0 is no limit. */
  readonly budgetBytes: number;
  readonly logger: Logger;
}

/** The channels that this process uses, and what it knows of them. */
export class ValkeyChannels {
  readonly budgetBytes: number;
  readonly #retention: Retention;
  /** Milliseconds after which a channel that no task uses is forgotten by the server. */
  readonly #expiryMs: number;
  readonly #channels = new Map<string, ValkeyChannel>();
  readonly #refusal: RecurringProblem;

  constructor({ budgetBytes, logger, ...retention }: ValkeyChannelsParts) {
    this.budgetBytes = budgetBytes;
    this.#retention = retention;
    this.#expiryMs = (retention.retainedSeconds + EXPIRY_MARGIN_SECONDS) * 1000;
    this.#refusal = new RecurringProblem({
      logger,
      begun: "Valkey refuses to open a channel",
      ended: "Valkey no longer refuses to open a channel",
    });
  }

  /** The keys that the scripts of a channel have in common. */
  scriptKeys({ key, idKeys, recordKey }: ValkeyChannel): readonly string[] {
    return [key, ...idKeys, recordKey, STORAGE_KEY];
  }

  /** The arguments that they have in common. */
  scriptArguments(): readonly number[] {
    const { retainedMessages, retainedBytes, retainedSeconds } = this.#retention;
    return [
      Date.now(),
      this.#expiryMs,
      retainedMessages,
      retainedBytes,
      retainedSeconds * 1000,
      this.budgetBytes,
    ];
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
   * Opens channels: makes the records of those that have none, refreshes the expiry of the others, drops what they need not
   * retain, and begins those anew whose stream does not hold what is known of it.
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
      if (outcome.reply === STORAGE_FULL) {
        const error = new StorageFullError();
        this.#refusal.note(error);
        return error;
      }
      // By the script.
      const [epoch, first, end] = outcome.reply as [string, number, number];
      channels[index]?.adopt(epoch);
      return { epoch, first, end };
    });
  }

  #command(run: typeof evalCommand, channel: ValkeyChannel): Command {
    const { epoch, offset, entryName, readTo } = channel;
    const [keys, args] = [this.scriptKeys(channel), this.scriptArguments()];
    return run(openScript, ...keys, ...args, epoch ?? 0, offset, entryName, readTo);
  }
}

function needsText(outcome: Outcome): boolean {
  return outcome.kind === "refused" && isUnknownScript(outcome.error);
}
