import type { Logger } from "pino";

import { RecurringProblem } from "../../metrics/recurringProblem.ts";
import { IdInUseError } from "../log.ts";
import type { Appended } from "../log.ts";
import type { PendingAppend } from "./pendingAppend.ts";
import { evalCommand, evalshaCommand, isOlderEpoch, isUnknownScript } from "./scripts.ts";
import { StorageFullError, UserFullError } from "./storageLease.ts";
import { parseOffset } from "./valkeyChannel.ts";
import type { ValkeyChannel } from "./valkeyChannel.ts";
import type { ValkeyChannels } from "./valkeyChannels.ts";
import type { CommandOutcome, ValkeyCommand, ValkeyConnection } from "./valkeyConnection.ts";

export interface ValkeyAppenderParts {
  readonly connection: ValkeyConnection;
  readonly channels: ValkeyChannels;
  readonly logger: Logger;
}

/** The appends of a batch that have no result. */
export interface Unstored {
  /** Can be sent again, in this order. */
  readonly appends: readonly PendingAppend[];
  /** Channels that the server refused, with its error. Their appends should wait before they are sent again. */
  readonly refusals: ReadonlyMap<ValkeyChannel, Error>;
}

/** Stores batches of appends: obtains the leases of their channels, sends the commands, and evaluates the replies. */
export class ValkeyAppender {
  readonly #connection: ValkeyConnection;
  readonly #channels: ValkeyChannels;
  readonly #refusal: RecurringProblem;
  /** Whether the server of this connection has the append script. */
  #hasScript = false;

  constructor({ connection, channels, logger }: ValkeyAppenderParts) {
    this.#connection = connection;
    this.#channels = channels;
    this.#refusal = new RecurringProblem({
      logger,
      begun: "Valkey refuses to append",
      ended: "Valkey no longer refuses to append",
    });
    connection.onReady(() => {
      this.#hasScript = false;
    });
  }

  /** Stores appends in their order. One batch at a time: the next one can begin when the promise has resolved. */
  async store(batch: readonly PendingAppend[]): Promise<Unstored> {
    const refusals = new Map<ValkeyChannel, Error>();
    await this.#prepare(batch.filter(isUnsettled), refusals);
    const unsettled = batch.filter(isUnsettled);
    if (refusals.size === 0) return { appends: await this.#send(unsettled, refusals), refusals };
    const { refused = [], open = [] } = Object.groupBy(unsettled, ({ channel }) =>
      refusals.has(channel) ? "refused" : "open",
    );
    return { appends: [...refused, ...(await this.#send(open, refusals))], refusals };
  }

  /** Obtains the epoch of each channel, and a lease that covers its appends. */
  async #prepare(batch: readonly PendingAppend[], refusals: Map<ValkeyChannel, Error>): Promise<void> {
    const byChannel = Map.groupBy(batch, ({ channel }) => channel);
    let uncovered = [...byChannel].filter(
      ([channel, appends]) => !channel.isOpen || !channel.lease.covers(sumCharges(appends)),
    );
    while (uncovered.length > 0) {
      const opened = await this.#channels.open(
        this.#connection,
        uncovered.map(([channel, appends]) => ({
          channel,
          wantedBytes: sumCharges(appends),
          user: appends[0]?.user,
        })),
      );
      const again: typeof uncovered = [];
      for (const [index, [channel, appends]] of uncovered.entries()) {
        const answer = opened[index];
        if (answer instanceof StorageFullError) {
          const others = this.#rejectFull(appends, answer);
          if (others.length > 0) again.push([channel, others]);
        } else if (answer instanceof Error) refusals.set(channel, answer);
        // A reader has meanwhile noticed a later epoch, in which the channel has no lease yet.
        else if (answer?.epoch !== channel.epoch) again.push([channel, appends]);
      }
      uncovered = again;
    }
  }

  /** Rejects appends beyond the budget. @returns those of other users, if only the first user's share is full. */
  #rejectFull(appends: readonly PendingAppend[], error: StorageFullError): PendingAppend[] {
    this.#refusal.note(error);
    const [first] = appends;
    const isRefused = ({ user }: PendingAppend): boolean =>
      !(error instanceof UserFullError) || user === first?.user;
    for (const append of appends) if (isRefused(append)) append.reject(error);
    return appends.filter((append) => !isRefused(append));
  }

  /** @returns the appends that can be sent again. */
  async #send(
    batch: readonly PendingAppend[],
    refusals: Map<ValkeyChannel, Error>,
  ): Promise<readonly PendingAppend[]> {
    if (batch.length === 0) return [];
    const outcomes = await this.#connection.send(this.#commands(batch));
    return this.#settle(batch, outcomes) ? [] : this.#unstored(batch, outcomes, refusals);
  }

  #commands(batch: readonly PendingAppend[]): readonly ValkeyCommand[] {
    let hasScript = this.#hasScript;
    return batch.map((append) => {
      const { channel, digest, chargedBytes, recordBytes } = append;
      channel.lease.use(chargedBytes, recordBytes);
      append.lease = channel.lease;
      append.epoch = channel.epoch ?? "";
      append.newestOffset = channel.offset;
      const run = hasScript ? evalshaCommand : evalCommand;
      hasScript ||= digest !== undefined;
      return this.#channels.appendCommand(run, channel, append);
    });
  }

  /** Settles the appends that Valkey has replied to. @returns whether these are all of them. */
  #settle(batch: readonly PendingAppend[], outcomes: readonly CommandOutcome[]): boolean {
    const now = performance.now();
    let areAllSettled = true;
    for (const [index, append] of batch.entries()) {
      const appended = appendedBy(append, outcomes[index]);
      if (appended === undefined) {
        areAllSettled = false;
        continue;
      }
      if (append.digest !== undefined) this.#hasScript = true;
      if (appended instanceof Error) {
        append.reject(appended);
        continue;
      }
      append.isStored = true;
      append.channel.noteStored(appended.epoch, appended.offset, append.name);
      append.resolve(appended, now);
    }
    return areAllSettled;
  }

  /** Rejects the appends that cannot be sent again. @returns the others. */
  #unstored(
    batch: readonly PendingAppend[],
    outcomes: readonly CommandOutcome[],
    refusals: Map<ValkeyChannel, Error>,
  ): readonly PendingAppend[] {
    const again: PendingAppend[] = [];
    /** Channels that have stored a later append: an earlier one would come out of order. */
    const storedLater = new Set<ValkeyChannel>();
    for (let index = batch.length - 1; index >= 0; index--) {
      const append = batch[index];
      if (append === undefined) continue;
      const outcome = outcomes[index];
      if (outcome?.kind === "unsent" || outcome?.kind === "refused") release(append);
      if (append.isStored) storedLater.add(append.channel);
      else if (!append.isSettled) {
        const error = this.#evaluate(append, outcome, refusals);
        if (error !== undefined) append.reject(error);
        else if (storedLater.has(append.channel)) append.reject(new Error("Valkey has refused it."));
        else again.push(append);
      }
    }
    return again.reverse();
  }

  /** @returns why an append that Valkey has not confirmed cannot be sent again; `undefined` if it can. */
  #evaluate(
    { channel, epoch, digest }: PendingAppend,
    outcome: CommandOutcome | undefined,
    refusals: Map<ValkeyChannel, Error>,
  ): Error | undefined {
    const hasId = digest !== undefined;
    switch (outcome?.kind) {
      case "unsent":
        return undefined;
      case "refused":
        if (isUnknownScript(outcome.error)) this.#hasScript = false;
        else {
          channel.suspect(epoch);
          if (isOlderEpoch(outcome.error)) return undefined;
          this.#refusal.note(outcome.error);
          refusals.set(channel, outcome.error);
        }
        return undefined;
      case "answered":
        channel.suspect(epoch);
        if (outcome.reply === null || hasId) return undefined;
        return new Error("Valkey has lost what it had stored, and maybe this too.");
      case "unknown":
      case undefined:
        return hasId
          ? undefined
          : new Error("The connection to Valkey was lost, and the message may be stored or not.", {
              cause: outcome?.error,
            });
    }
  }
}

function isUnsettled({ isSettled }: PendingAppend): boolean {
  return !isSettled;
}

function sumCharges(appends: readonly PendingAppend[]): number {
  return appends.reduce((sum, { chargedBytes }) => sum + chargedBytes, 0);
}

/** Takes an append that was not stored back from the lease that it was counted for. */
function release({ channel, lease, chargedBytes, recordBytes }: PendingAppend): void {
  if (lease === channel.lease) lease.release(chargedBytes, recordBytes);
}

/** @returns the result of an append; `undefined` if the reply does not confirm that the current epoch has the entry. */
function appendedBy(
  { digest, epoch, newestOffset }: PendingAppend,
  outcome: CommandOutcome | undefined,
): Appended | Error | undefined {
  if (outcome?.kind !== "answered" || outcome.reply === null) return undefined;
  // The replies of XADD and of the append script.
  const [text, knownDigest] =
    digest === undefined
      ? [parseOffset(outcome.reply as string), null]
      : (outcome.reply as [string, string | null]);
  if (knownDigest !== null && knownDigest !== digest) return new IdInUseError();
  const [offset, duplicate] = [Number(text), knownDigest !== null];
  // If another entry had this offset, the server has lost that entry.
  return duplicate || offset > newestOffset ? { epoch, offset, duplicate } : undefined;
}
