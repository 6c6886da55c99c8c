import type { Logger } from "pino";

import { RecurringProblem } from "../../../metrics/recurringProblem.ts";
import { IdInUseError } from "../../log.ts";
import type { Appended } from "../../log.ts";
import type { ValkeyNode } from "../connection/valkeyNode.ts";
import { isUnknownScript } from "../scripts/script.ts";
import type { ValkeyChannel } from "../valkeyChannel.ts";
import type { ValkeyChannels } from "../valkeyChannels.ts";
import {
  appendCommand,
  appendOutcomes,
  groupAppends,
  publishCommand,
  unpublishedReason,
} from "./appendCalls.ts";
import type { AppendCall, AppendOutcome } from "./appendCalls.ts";
import type { PendingAppend } from "./pendingAppend.ts";
import { StorageFullError, UserFullError } from "./storageLease.ts";

/** Maximum number of channels that are opened in one write. Valkey serves no other client until it has run all of them. */
const MAX_OPEN_CHANNELS = 200;

/** The error of XADD if the stream has a newer epoch. */
const OLDER_EPOCH = "equal or smaller than the target stream top item";

export interface ValkeyAppenderParts {
  readonly channels: Pick<ValkeyChannels, "open">;
  /** Called for each channel with stored appends. */
  readonly onAppended: (channel: ValkeyChannel) => void;
  /** Called if the server permits neither scripts nor this task to publish. */
  readonly onUnpublished: (error: Error) => void;
  readonly logger: Logger;
}

/** The appends of a batch that have no result. */
export interface Unstored {
  /** Can be sent again, in this order. */
  readonly appends: readonly PendingAppend[];
  /** Channels that the server refused. Their appends should wait before they are sent again. */
  readonly refusals: ReadonlySet<ValkeyChannel>;
}

/** Stores batches of appends: obtains the leases of their channels, sends the scripts, and evaluates the replies. */
export class ValkeyAppender {
  readonly #channels: ValkeyAppenderParts["channels"];
  readonly #parts: ValkeyAppenderParts;
  readonly #refusal: RecurringProblem;
  readonly #unpublished: RecurringProblem;
  /** Nodes that have the script. */
  readonly #loaded = new WeakSet<ValkeyNode>();

  constructor(parts: ValkeyAppenderParts) {
    const { channels, logger } = parts;
    this.#parts = parts;
    this.#channels = channels;
    this.#refusal = new RecurringProblem({
      logger,
      begun: "Valkey refuses to append",
      ended: "Valkey no longer refuses to append",
    });
    this.#unpublished = new RecurringProblem({
      logger,
      begun: "Valkey does not let scripts publish, and the task publishes itself",
      ended: "Valkey lets scripts publish",
      quietMs: Infinity,
    });
  }

  /** Notes that a node may have restarted without its scripts. */
  noteAvailable(node: ValkeyNode): void {
    this.#loaded.delete(node);
  }

  /**
   * Stores appends of channels of one node, in their order. One batch per node at a time: the next one can begin when the promise
   * has resolved.
   */
  async store(node: ValkeyNode, batch: readonly PendingAppend[]): Promise<Unstored> {
    const refusals = new Set<ValkeyChannel>();
    await this.#prepare(node, batch.filter(isUnsettled), refusals);
    const unsettled = batch.filter(isUnsettled);
    if (refusals.size === 0) return { appends: await this.#send(node, unsettled, refusals), refusals };
    const { refused = [], open = [] } = Object.groupBy(unsettled, ({ channel }) =>
      refusals.has(channel) ? "refused" : "open",
    );
    return { appends: [...refused, ...(await this.#send(node, open, refusals))], refusals };
  }

  /** Obtains the epoch of each channel, and a lease that covers its appends. */
  async #prepare(
    node: ValkeyNode,
    batch: readonly PendingAppend[],
    refusals: Set<ValkeyChannel>,
  ): Promise<void> {
    const byChannel = Map.groupBy(batch, ({ channel }) => channel);
    let uncovered = [...byChannel].filter(
      ([channel, appends]) => !channel.isOpen || !channel.lease.covers(sumCharges(appends)),
    );
    while (uncovered.length > 0) {
      // Some appends have been rejected meanwhile.
      const waiting = uncovered.filter(([, appends]) => appends.some(isUnsettled));
      const opening = waiting.slice(0, MAX_OPEN_CHANNELS);
      const opened = await this.#channels.open(
        node,
        opening.map(([channel, appends]) => ({
          channel,
          wantedBytes: sumCharges(appends),
          user: appends[0]?.user,
        })),
      );
      const again: typeof uncovered = [];
      for (const [index, [channel, appends]] of opening.entries()) {
        const answer = opened[index];
        if (answer instanceof StorageFullError) {
          const others = this.#rejectFull(appends, answer);
          if (others.length > 0) again.push([channel, others]);
        } else if (answer instanceof Error) refusals.add(channel);
        // A reader has meanwhile noticed a later epoch, in which the channel has no lease yet.
        else if (answer?.epoch !== channel.epoch) again.push([channel, appends]);
      }
      uncovered = [...again, ...waiting.slice(MAX_OPEN_CHANNELS)];
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
    node: ValkeyNode,
    batch: readonly PendingAppend[],
    refusals: Set<ValkeyChannel>,
  ): Promise<readonly PendingAppend[]> {
    if (batch.length === 0) return [];
    for (const append of batch) note(append);
    const calls = groupAppends(batch);
    const isLoaded = this.#loaded.has(node);
    const replies = await node.send(calls.map((call, index) => appendCommand(call, isLoaded || index > 0)));
    const outcomes = new Map<PendingAppend, AppendOutcome>();
    let areAllSettled = true;
    for (const [index, call] of calls.entries()) {
      const reply = replies[index];
      if (reply?.kind === "answered") this.#loaded.add(node);
      const ofCall = appendOutcomes(call, reply);
      areAllSettled = this.#settle(call, ofCall) && areAllSettled;
      const reason = unpublishedReason(reply);
      if (reason !== undefined) void this.#publish(node, call, ofCall, reason);
      for (const [n, append] of call.appends.entries()) {
        const outcome = ofCall[n];
        if (outcome !== undefined) outcomes.set(append, outcome);
      }
    }
    return areAllSettled ? [] : this.#unstored(node, batch, outcomes, refusals);
  }

  /** Settles the appends that Valkey has replied to. @returns whether these are all of them. */
  #settle({ channel, appends }: AppendCall, outcomes: readonly AppendOutcome[]): boolean {
    const now = performance.now();
    let areAllSettled = true;
    let isAnyStored = false;
    for (const [index, append] of appends.entries()) {
      const appended = appendedBy(append, outcomes[index]);
      if (appended === undefined) areAllSettled = false;
      else if (appended instanceof Error) append.reject(appended);
      else {
        append.isStored = true;
        isAnyStored = true;
        channel.noteStored(append.epoch, appended.offset, append.name);
        append.resolve(appended, now);
      }
    }
    if (isAnyStored) this.#parts.onAppended(channel);
    return areAllSettled;
  }

  /** Publishes what a script has stored and could not publish. */
  async #publish(
    node: ValkeyNode,
    call: AppendCall,
    outcomes: readonly AppendOutcome[],
    reason: string,
  ): Promise<void> {
    const command = publishCommand(call, outcomes);
    if (command === undefined) return;
    this.#unpublished.note(reason);
    const [outcome] = await node.send([command]);
    if (outcome?.kind === "refused") this.#parts.onUnpublished(outcome.error);
  }

  /** Rejects the appends that cannot be sent again. @returns the others. */
  #unstored(
    node: ValkeyNode,
    batch: readonly PendingAppend[],
    outcomes: ReadonlyMap<PendingAppend, AppendOutcome>,
    refusals: Set<ValkeyChannel>,
  ): readonly PendingAppend[] {
    const again: PendingAppend[] = [];
    /** Channels that have stored a later append: an earlier one would come out of order. */
    const storedLater = new Set<ValkeyChannel>();
    for (let index = batch.length - 1; index >= 0; index--) {
      const append = batch[index];
      if (append === undefined) continue;
      const outcome = outcomes.get(append);
      if (outcome?.kind === "unsent" || outcome?.kind === "refused") release(append);
      if (append.isStored) storedLater.add(append.channel);
      else if (!append.isSettled) {
        const error = this.#evaluate(node, append, outcome, refusals);
        if (error !== undefined) append.reject(error);
        else if (storedLater.has(append.channel)) append.reject(new Error("Valkey has refused it."));
        else again.push(append);
      }
    }
    return again.reverse();
  }

  /** @returns why an append that Valkey has not confirmed cannot be sent again; `undefined` if it can. */
  #evaluate(
    node: ValkeyNode,
    { channel, epoch, digest }: PendingAppend,
    outcome: AppendOutcome | undefined,
    refusals: Set<ValkeyChannel>,
  ): Error | undefined {
    const hasId = digest !== undefined;
    switch (outcome?.kind) {
      case "unsent":
        return undefined;
      case "refused":
        if (isUnknownScript(outcome.error)) this.#loaded.delete(node);
        else {
          channel.suspect(epoch);
          if (outcome.error.message.includes(OLDER_EPOCH)) return undefined;
          this.#refusal.note(outcome.error);
          refusals.add(channel);
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

/** Notes the state of the channel, and counts an append, before it is sent: the reply may never arrive. */
function note(append: PendingAppend): void {
  const { channel, chargedBytes, recordBytes } = append;
  channel.lease.use(chargedBytes, recordBytes);
  append.lease = channel.lease;
  append.epoch = channel.epoch;
  append.newestOffset = channel.offset;
}

/** Takes an append that was not stored back from the lease that it was counted for. */
function release({ channel, lease, chargedBytes, recordBytes }: PendingAppend): void {
  if (lease === channel.lease) lease.release(chargedBytes, recordBytes);
}

/** @returns the result of an append; `undefined` if the reply does not confirm that the current epoch has the entry. */
function appendedBy(
  { digest, epoch, newestOffset }: PendingAppend,
  outcome: AppendOutcome | undefined,
): Appended | Error | undefined {
  if (outcome?.kind !== "answered" || outcome.reply === null) return undefined;
  const [offset, knownDigest] = outcome.reply;
  const duplicate = knownDigest !== "";
  if (duplicate && knownDigest !== digest) return new IdInUseError();
  // If another entry had this offset, the server has lost that entry.
  return duplicate || offset > newestOffset ? { epoch: String(epoch), offset, duplicate } : undefined;
}
