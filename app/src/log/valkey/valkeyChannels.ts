import type { Logger } from "pino";

import { RecurringProblem } from "../../metrics/recurringProblem.ts";
import { idName } from "../publishId.ts";
import type { RetentionOf } from "../log.ts";
import { userStorageKey, STORAGE_KEY, ValkeyChannel } from "./valkeyChannel.ts";
import type { ValkeyCommand, CommandOutcome, ValkeyConnection } from "./valkeyConnection.ts";
import { appendScript, evalCommand, evalshaCommand, isUnknownScript, openScript } from "./scripts.ts";
import { StorageFullError, StorageLease, USER_SHARE, UserFullError } from "./storageLease.ts";
import { STORAGE_FULL, USER_FULL } from "./storageScript.ts";

/** Time for which Valkey keeps a channel that no task refreshes, in addition to the retention time, in seconds. */
const EXPIRY_MARGIN_SECONDS = 300;

/** The state of a channel when it was opened. */
export interface OpenedChannel {
  readonly epoch: string;
  /** Offset of the oldest retained entry. */
  readonly first: number;
  /** Offset of the next entry. */
  readonly end: number;
}

/** A request to open a channel, with or without a lease for appends. */
export interface OpenRequest {
  readonly channel: ValkeyChannel;
  /** Charge of the entries that the caller will append, in bytes. Omit it to read only. */
  readonly wantedBytes?: number;
  /** User that is charged for them. */
  readonly user?: string | undefined;
}

/** An entry to append. */
export interface NewEntry {
  readonly epoch: string;
  readonly name: string;
  readonly record: string;
  /** Digest of the record. Only an entry with an id has one. */
  readonly digest: string | undefined;
}

export interface ValkeyChannelsParts {
  readonly retentionOf: RetentionOf;
  /** Unique name of this task. */
  readonly task: string;
  /** Maximum memory of all channels together, in bytes; 0 for no limit. */
  readonly budgetBytes: number;
  readonly logger: Logger;
}

/** The channels that this task uses, and the commands that open them and append to them. */
export class ValkeyChannels {
  readonly #task: string;
  readonly #budgetBytes: number;
  readonly #retentionOf: RetentionOf;
  readonly #channels = new Map<string, ValkeyChannel>();
  readonly #refusal: RecurringProblem;

  constructor({ task, budgetBytes, logger, retentionOf }: ValkeyChannelsParts) {
    this.#task = task;
    this.#budgetBytes = budgetBytes;
    this.#retentionOf = retentionOf;
    this.#refusal = new RecurringProblem({
      logger,
      begun: "Valkey refuses to open a channel",
      ended: "Valkey no longer refuses to open a channel",
    });
  }

  /** Returns a channel, and notes that it is used. */
  get(name: string): ValkeyChannel {
    let channel = this.#channels.get(name);
    if (channel === undefined) {
      channel = new ValkeyChannel(name);
      this.#channels.set(name, channel);
    }
    channel.usedAt = performance.now();
    return channel;
  }

  /** Returns all channels that this task uses. */
  all(): Iterable<ValkeyChannel> {
    return this.#channels.values();
  }

  /** Drops the state of a channel that this task no longer uses. */
  forget(channel: ValkeyChannel): void {
    this.#channels.delete(channel.name);
  }

  /**
   * Opens channels: see `openScript`. Each request can fail by itself.
   * @returns the channels, or their errors, in the order of the requests. It does not reject.
   */
  async open(
    connection: ValkeyConnection,
    requests: readonly OpenRequest[],
  ): Promise<readonly (OpenedChannel | Error)[]> {
    const askedAt = performance.now();
    let outcomes = await connection.send(
      requests.map((request) => this.#openCommand(evalshaCommand, request)),
    );
    if (outcomes.some(needsText)) {
      outcomes = await connection.send(requests.map((request) => this.#openCommand(evalCommand, request)));
    }
    return requests.map((request, index) => this.#opened(request, outcomes[index], askedAt));
  }

  #opened(
    { channel, wantedBytes }: OpenRequest,
    outcome: CommandOutcome | undefined,
    askedAt: number,
  ): OpenedChannel | Error {
    if (outcome?.kind !== "answered") {
      if (outcome?.kind === "refused") this.#refusal.note(outcome.error);
      return outcome?.error ?? new Error("Valkey has not answered.");
    }
    const error = fullError(outcome.reply);
    if (error !== undefined) {
      channel.lease = new StorageLease();
      this.#refusal.note(error);
      return error;
    }
    // The reply of the open script.
    const [epoch, first, end, leaseBytes] = outcome.reply as [string, number, number, number];
    channel.adopt(epoch);
    if (wantedBytes !== undefined && epoch === channel.epoch) {
      channel.lease.renew(leaseBytes, askedAt, this.#retentionOf(channel.name).retainedSeconds);
    }
    return { epoch, first, end };
  }

  /** Returns the command that appends an entry. The caller must have a lease for it. */
  appendCommand(run: typeof evalCommand, channel: ValkeyChannel, entry: NewEntry): ValkeyCommand {
    const { key, idKeys, recordKey } = channel;
    const { epoch, name, digest, record } = entry;
    const { retainedMessages, retainedSeconds } = this.#retentionOf(channel.name);
    if (digest === undefined) {
      return ["xadd", key, "NOMKSTREAM", "MAXLEN", "~", retainedMessages, `${epoch}-*`, name, record];
    }
    const keys = [key, ...idKeys, recordKey];
    const entryArgs = [epoch, name, digest, record];
    const limits = [Date.now(), expiryMs(retainedSeconds), retainedMessages, retainedSeconds * 1000];
    return run(appendScript, ...keys, ...entryArgs, ...limits);
  }

  #openCommand(run: typeof evalCommand, { channel, wantedBytes = 0, user }: OpenRequest): ValkeyCommand {
    const { key, idKeys, recordKey, epoch, offset, entryName, readTo, lease } = channel;
    const { retainedMessages, retainedBytes, retainedSeconds } = this.#retentionOf(channel.name);
    const isCharged = user !== undefined;
    return run(
      openScript,
      ...[key, ...idKeys, recordKey, STORAGE_KEY],
      isCharged ? userStorageKey(idName("", user)) : STORAGE_KEY,
      ...[Date.now(), expiryMs(retainedSeconds), retainedMessages, retainedBytes, retainedSeconds * 1000],
      ...[this.#budgetBytes, isCharged ? Math.floor(this.#budgetBytes * USER_SHARE) : 0],
      ...[epoch ?? 0, offset, entryName, readTo],
      ...(wantedBytes > 0 ? [wantedBytes, this.#task, lease.usedBytes] : [0, "", 0]),
    );
  }
}

/** Returns the time after which the server drops a channel that no task refreshes, in milliseconds. */
function expiryMs(retainedSeconds: number): number {
  return (retainedSeconds + EXPIRY_MARGIN_SECONDS) * 1000;
}

function fullError(reply: unknown): StorageFullError | undefined {
  if (reply === USER_FULL) return new UserFullError();
  return reply === STORAGE_FULL ? new StorageFullError() : undefined;
}

function needsText(outcome: CommandOutcome): boolean {
  return outcome.kind === "refused" && isUnknownScript(outcome.error);
}
