import type { Logger } from "pino";

import { RecurringProblem } from "../../metrics/recurringProblem.ts";
import type { RetentionOf } from "../log.ts";
import { idName } from "../publishId.ts";
import { StorageFullError, USER_SHARE, UserFullError } from "./append/storageLease.ts";
import { StorageSums } from "./append/storageSums.ts";
import type { PartitionSums } from "./append/storageSums.ts";
import { PARTITIONS, partitionOf, storageKey, userStorageKey } from "./connection/partitions.ts";
import type { CommandOutcome } from "./connection/valkeyConnection.ts";
import type { ValkeyNode } from "./connection/valkeyNode.ts";
import type { ValkeyNodes } from "./connection/valkeyNodes.ts";
import { openScript } from "./scripts/openScript.ts";
import type { ScriptCall } from "./scripts/script.ts";
import { STORAGE_FULL, USER_FULL } from "./scripts/storageScript.ts";
import { totalOfSums } from "./scripts/sumsLua.ts";
import { ValkeyChannel } from "./valkeyChannel.ts";

/** Share of a user's share of the budget. Above it, the task reads the sums of the user in all partitions. */
const WATCHED_USER_SHARE = 1 / 8;

/**
 * Number of channels of a partition that this task does not read and whose state it keeps for their retention time. Clients can
 * publish to any number of channels.
 */
const MAX_UNREAD = 1024;

/** The position of a channel in Valkey. */
export interface LocatedChannel {
  readonly epoch: number;
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

export interface ValkeyChannelsParts {
  readonly retentionOf: RetentionOf;
  /** Unique name of this task. */
  readonly task: string;
  /** Maximum memory of all channels together, in bytes; 0 for no limit. */
  readonly budgetBytes: number;
  /** Maximum time until an append or any other command has a result, in seconds. */
  readonly timeoutSeconds: number;
  readonly nodes: ValkeyNodes;
  /** Called if a channel is opened in another epoch than that of its readers. */
  readonly onOpened: (channel: ValkeyChannel, located: LocatedChannel) => void;
  readonly logger: Logger;
}

/** The channels that this task uses, and the requests that open them. */
export class ValkeyChannels {
  readonly #parts: ValkeyChannelsParts;
  readonly #sums = new StorageSums();
  /** By partition and name. */
  readonly #channels: readonly Map<string, ValkeyChannel>[] = Array.from(
    { length: PARTITIONS },
    () => new Map<string, ValkeyChannel>(),
  );
  /** Refused requests for channels. */
  readonly refusal: RecurringProblem;

  constructor(parts: ValkeyChannelsParts) {
    this.#parts = parts;
    this.refusal = new RecurringProblem({
      logger: parts.logger,
      begun: "Valkey refuses to open a channel",
      ended: "Valkey no longer refuses to open a channel",
    });
  }

  /** Returns a channel, and notes that it is used. */
  get(name: string): ValkeyChannel {
    const partition = partitionOf(name);
    let channel = this.find(partition, name);
    if (channel === undefined) {
      channel = new ValkeyChannel(name, partition, this.#parts.retentionOf(name));
      this.#channels[partition]?.set(name, channel);
    }
    channel.usedAtSeconds = Math.floor(performance.now() / 1000);
    return channel;
  }

  find(partition: number, name: string): ValkeyChannel | undefined {
    return this.#channels[partition]?.get(name);
  }

  /** Returns the channels of a partition that this task uses. */
  of(partition: number): Iterable<ValkeyChannel> {
    return this.#channels[partition]?.values() ?? [];
  }

  /**
   * Drops the state of channels that this task neither reads nor has used for their retention time, and of those that were
   * used first if there are too many. A channel with a command under way is kept.
   */
  forgetUnused(partition: number): void {
    const now = performance.now() / 1000;
    const usedBefore = (seconds: number, { usedAtSeconds }: ValkeyChannel): boolean =>
      usedAtSeconds + 1 + seconds < now;
    const unread: ValkeyChannel[] = [];
    for (const channel of this.of(partition)) {
      if (channel.followed !== undefined) continue;
      if (usedBefore(channel.retention.retainedSeconds, channel)) this.#drop(channel);
      else unread.push(channel);
    }
    if (unread.length <= MAX_UNREAD) return;
    unread.sort((one, other) => one.usedAtSeconds - other.usedAtSeconds);
    for (const channel of unread.slice(0, -MAX_UNREAD)) {
      if (usedBefore(this.#parts.timeoutSeconds, channel)) this.#drop(channel);
    }
  }

  /**
   * Opens channels of one node: see `openScript`. Each request can fail by itself.
   * @returns the channels, or their errors, in the order of the requests. It does not reject.
   */
  async open(
    node: ValkeyNode,
    requests: readonly OpenRequest[],
  ): Promise<readonly (LocatedChannel | Error)[]> {
    const askedAt = performance.now();
    const outcomes = await node.run(
      openScript,
      requests.map((request) => this.#openCall(request)),
    );
    return requests.map((request, index) => this.#opened(request, outcomes[index], askedAt));
  }

  /** Reads the sums of all partitions, if this task has requested a lease since the last time. */
  refreshSums(): void {
    if (this.#parts.budgetBytes === 0 || !this.#sums.all.takeReadingDue()) return;
    this.#readSums(this.#sums.all, storageKey);
  }

  #drop({ partition, name }: ValkeyChannel): void {
    this.#channels[partition]?.delete(name);
  }

  #opened(
    { channel, wantedBytes = 0, user }: OpenRequest,
    outcome: CommandOutcome | undefined,
    askedAt: number,
  ): LocatedChannel | Error {
    if (outcome?.kind !== "answered") {
      if (outcome?.kind === "refused") this.refusal.note(outcome.error);
      return outcome?.error ?? new Error("Valkey has not answered.");
    }
    // The reply of the open script.
    const [text, first, end, lease, total, userTotal] = outcome.reply as [
      ...[string, number, number, number | string],
      ...[number, number],
    ];
    this.#sums.all.note(channel.partition, total);
    if (user !== undefined) this.#noteUser(user, channel.partition, userTotal);
    const located = { epoch: Number(text), first, end };
    channel.noteOpened(located.epoch);
    this.#parts.onOpened(channel, located);
    if (lease === STORAGE_FULL || lease === USER_FULL) {
      channel.dropLease();
      const error = lease === USER_FULL ? new UserFullError() : new StorageFullError();
      this.refusal.note(error);
      return error;
    }
    if (wantedBytes > 0 && located.epoch === channel.epoch) {
      channel.lease.renew(Number(lease), askedAt, channel.retention.retainedSeconds);
    }
    return located;
  }

  #openCall({ channel, wantedBytes = 0, user }: OpenRequest): ScriptCall {
    const { key, recordKey, partition, expiryMs, epoch, offset, entryName, followed, retention } = channel;
    const { retainedMessages, retainedBytes, retainedSeconds } = retention;
    const { budgetBytes, task } = this.#parts;
    const userName = user === undefined ? undefined : idName("", user);
    const userSums = userName === undefined ? undefined : this.#sums.ofUser(userName);
    const args = [
      ...[Date.now(), expiryMs, retainedMessages, retainedBytes, retainedSeconds * 1000],
      ...[budgetBytes, this.#sums.all.withoutPartition(partition)],
      ...[this.#userBudget(user), userSums?.withoutPartition(partition) ?? 0],
      ...[epoch, offset, entryName, followed?.readTo ?? 0],
      ...(wantedBytes > 0 ? [wantedBytes, task, channel.lease.usedBytes] : [0, "", 0]),
    ];
    this.#sums.all.reserve(partition, wantedBytes);
    userSums?.reserve(partition, wantedBytes);
    const storage = storageKey(partition);
    const userKey = userName === undefined ? storage : userStorageKey(partition, userName);
    return { keys: [key, ...channel.idKeys, recordKey, storage, userKey], args };
  }

  #userBudget(user: string | undefined): number {
    return user === undefined ? 0 : Math.floor(this.#parts.budgetBytes * USER_SHARE);
  }

  #noteUser(user: string, partition: number, bytes: number): void {
    const name = idName("", user);
    const sums = this.#sums.ofUser(name);
    sums.note(partition, bytes);
    if (sums.total < this.#userBudget(user) * WATCHED_USER_SHARE || !sums.takeReadingDue()) return;
    this.#readSums(sums, (of) => userStorageKey(of, name));
  }

  /** Reads sums from all partitions, in one write for each node. */
  #readSums(sums: PartitionSums, keyOf: (partition: number) => string): void {
    const { nodes } = this.#parts;
    for (const node of nodes.all) {
      const partitions = nodes.partitionsOf(node);
      void node.send(partitions.map((partition) => ["hgetall", keyOf(partition)])).then((outcomes) => {
        for (const [index, outcome] of outcomes.entries()) {
          if (outcome.kind !== "answered") continue;
          // The reply of HGETALL, which the client converts.
          const texts = Object.entries(outcome.reply as Readonly<Record<string, string>>).flat();
          sums.note(partitions[index] ?? 0, totalOfSums(texts, Date.now()));
        }
      });
    }
  }
}
