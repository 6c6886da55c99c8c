import type { Logger } from "pino";

import { RecurringProblem } from "../../metrics/recurringProblem.ts";
import { IdInUseError } from "../log.ts";
import type { Appended, NewMessage } from "../log.ts";
import { idName, payloadDigest } from "../publishId.ts";
import { offsetOf } from "./channel.ts";
import type { ValkeyChannel } from "./channel.ts";
import type { ValkeyChannels } from "./channels.ts";
import type { Command, Outcome, ValkeyConnection } from "./connection.ts";
import { evalCommand, evalshaCommand, isOlderEpoch, isUnknownScript } from "./scripts.ts";
import { chargeOf, UserFullError, StorageFullError } from "./storage.ts";

/** Most appends that are sent at once: more would only keep the first answers waiting. */
const MAX_BATCH = 2000;

/** Most that all appends together may have which are not answered yet, in bytes, and what each has besides its payload. */
const MAX_PENDING_BYTES = 64 * 1024 * 1024;
const APPEND_OVERHEAD_BYTES = 256;

/** Time after which a server that refused something of a channel is asked again, in milliseconds. */
const REFUSED_RETRY_MS = 50;

/** The name of an entry says what may be appended once only: an id, or a single call. */
const ID_PREFIX = "=";
const CALL_PREFIX = "-";

export interface ValkeyAppendsParts {
  readonly connection: ValkeyConnection;
  readonly channels: ValkeyChannels;
  /** Unique to this process; part of the name of each entry. */
  readonly task: string;
  /** Seconds for which an append waits for its answer. */
  readonly timeoutSeconds: number;
  /** Told the seconds from the call to the answer. */
  readonly onAppended: (seconds: number) => void;
  readonly logger: Logger;
}

interface Pending {
  readonly channel: ValkeyChannel;
  readonly payload: string;
  readonly name: string;
  readonly user: string | undefined;
  /** Of the payload; only an entry with an id has one. */
  readonly digest: string | undefined;
  readonly payloadBytes: number;
  /** What the channel is charged for it. */
  readonly chargedBytes: number;
  /** When it was called, in milliseconds of `performance.now()`. */
  readonly calledAt: number;
  readonly resolve: (appended: Appended) => void;
  readonly reject: (error: Error) => void;
  /** Answered already, by its time running out. */
  settled: boolean;
  /** Whether Valkey has said so. */
  stored: boolean;
  /** What was known of the channel when it was sent. */
  epoch: string;
  newestOffset: number;
}

/**
 * Appends in the order of the calls: one batch is under way at a time, and what is called meanwhile makes the next one. What is
 * not stored for sure goes before the next batch, unless something behind it in its channel was stored. Where the server
 * refuses a channel, that one waits, and the others go on.
 */
export class ValkeyAppends {
  readonly #parts: ValkeyAppendsParts;
  readonly #refusal: RecurringProblem;
  /** By the time of the call. */
  #waiting: Pending[] = [];
  #underWay: readonly Pending[] = [];
  /** Of channels that were refused, until they are tried again; each by the time of the call. */
  readonly #held = new Map<ValkeyChannel, Pending[]>();
  #bytes = 0;
  #calls = 0;
  #sending: NodeJS.Immediate | undefined;
  #holding: NodeJS.Timeout | undefined;
  #expiring: NodeJS.Timeout | undefined;
  /** Whether the server of this connection has the script. */
  #scriptLoaded = false;
  #closed = false;
  #onIdle: (() => void) | undefined;

  constructor(parts: ValkeyAppendsParts) {
    this.#parts = parts;
    this.#refusal = new RecurringProblem({
      logger: parts.logger,
      begun: "Valkey refuses to append",
      ended: "Valkey no longer refuses to append",
    });
    parts.connection.onReady(() => {
      this.#scriptLoaded = false;
      this.#schedule();
    });
  }

  append(channel: ValkeyChannel, { payload, id, publisher, user }: NewMessage): Promise<Appended> {
    if (this.#closed) return Promise.reject(new Error("The log is closed."));
    const payloadBytes = Buffer.byteLength(payload);
    const pendingBytes = payloadBytes + APPEND_OVERHEAD_BYTES;
    if (this.#bytes + pendingBytes > MAX_PENDING_BYTES) {
      return Promise.reject(new Error("Too much waits for Valkey already."));
    }
    this.#bytes += pendingBytes;

    return new Promise<Appended>((resolve, reject) => {
      this.#waiting.push({
        channel,
        payload,
        name:
          id === undefined
            ? `${CALL_PREFIX}${this.#parts.task}${(this.#calls++).toString(36)}`
            : ID_PREFIX + idName(id, publisher),
        user,
        digest: id === undefined ? undefined : payloadDigest(payload),
        payloadBytes,
        chargedBytes: chargeOf(payloadBytes, id !== undefined),
        calledAt: performance.now(),
        resolve,
        reject,
        settled: false,
        stored: false,
        epoch: "",
        newestOffset: 0,
      });
      this.#schedule();
      this.#expiring ??= setTimeout(this.#expire, this.#parts.timeoutSeconds * 1000);
    });
  }

  /** Takes nothing more. Resolves when everything that is pending is stored, or rejected. */
  async close(): Promise<void> {
    this.#closed = true;
    if (!this.#idle) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
    }
    clearImmediate(this.#sending);
    clearTimeout(this.#holding);
    clearTimeout(this.#expiring);
  }

  /** Rejects everything that is pending. */
  giveUp(): void {
    const error = new Error("The log was closed before Valkey had answered.");
    this.#release();
    for (const pending of [...this.#underWay, ...this.#waiting.splice(0)]) this.#reject(pending, error);
    this.#onIdle?.();
  }

  get #idle(): boolean {
    return this.#underWay.length + this.#waiting.length + this.#held.size === 0;
  }

  /** Sends what waits at the end of this turn, so that one write takes all of it. */
  #schedule(): void {
    if (this.#waiting.length === 0 || this.#underWay.length > 0) return;
    if (!this.#parts.connection.ready) return;
    this.#sending ??= setImmediate(this.#send);
  }

  readonly #send = (): void => {
    this.#sending = undefined;
    if (this.#underWay.length > 0) return;
    const batch = this.#nextBatch();
    this.#underWay = batch;
    void this.#store(batch).then((again) => {
      this.#underWay = [];
      this.#putBack(again);
      this.#schedule();
      if (this.#idle) this.#onIdle?.();
    });
  };

  /** Takes what waits, and puts aside what is of a channel that was refused. */
  #nextBatch(): readonly Pending[] {
    if (this.#held.size === 0) {
      return this.#waiting.length <= MAX_BATCH ? this.#waiting.splice(0) : this.#waiting.splice(0, MAX_BATCH);
    }
    const batch: Pending[] = [];
    let taken = 0;
    for (const pending of this.#waiting) {
      if (batch.length === MAX_BATCH) break;
      taken += 1;
      (this.#held.get(pending.channel) ?? batch).push(pending);
    }
    this.#waiting.splice(0, taken);
    return batch;
  }

  /** What was called before the rest goes before it. */
  #putBack(again: readonly Pending[]): void {
    if (again.length === 0) return;
    this.#waiting = [...again, ...this.#waiting].sort((one, other) => one.calledAt - other.calledAt);
  }

  /** @returns those that are to be sent again. */
  async #store(batch: readonly Pending[]): Promise<readonly Pending[]> {
    await this.#prepare(batch.filter(({ settled }) => !settled));
    const unsettled = batch.filter(({ settled }) => !settled);
    if (this.#held.size === 0) return this.#sendAll(unsettled);
    const refused = unsettled.filter(({ channel }) => this.#held.has(channel));
    const again = await this.#sendAll(unsettled.filter(({ channel }) => !this.#held.has(channel)));
    return [...refused, ...again];
  }

  /** Makes sure that the epoch of each channel is known, and that what is appended to it is charged. */
  async #prepare(batch: readonly Pending[]): Promise<void> {
    const { channels, connection } = this.#parts;
    const byChannel = Map.groupBy(batch, ({ channel }) => channel);
    let asking = [...byChannel].filter(([channel, pending]) => !this.#use(channel, pending));
    while (asking.length > 0) {
      const opened = await channels.open(
        connection,
        asking.map(([channel, pending]) => ({
          channel,
          wantedBytes: sum(pending, ({ chargedBytes }) => chargedBytes),
          user: pending[0]?.user,
        })),
      );
      const again: typeof asking = [];
      for (const [index, [channel, pending]] of asking.entries()) {
        const answer = opened[index];
        if (answer instanceof StorageFullError) {
          const others = this.#rejectFull(pending, answer);
          if (others.length > 0) again.push([channel, others]);
        } else if (answer instanceof Error) this.#hold(channel, answer);
        else this.#use(channel, pending, true);
      }
      asking = again;
    }
  }

  /** @returns whether the lease of the channel covers what is to be appended. */
  #use(channel: ValkeyChannel, appends: readonly Pending[], isGranted = false): boolean {
    const chargedBytes = sum(appends, (pending) => pending.chargedBytes);
    if (!isGranted && !(channel.open && channel.lease.covers(chargedBytes))) return false;
    channel.lease.use(
      chargedBytes,
      sum(appends, ({ payloadBytes }) => payloadBytes),
    );
    return true;
  }

  /** Rejects what has no room. @returns the appends of other users, if only the first one may append no more. */
  #rejectFull(appends: readonly Pending[], error: StorageFullError): Pending[] {
    this.#refusal.note(error);
    const [first] = appends;
    const isRefused = ({ user }: Pending): boolean =>
      !(error instanceof UserFullError) || user === first?.user;
    for (const pending of appends) if (isRefused(pending)) this.#reject(pending, error);
    return appends.filter((pending) => !isRefused(pending));
  }

  /** @returns those that are to be sent again. */
  async #sendAll(batch: readonly Pending[]): Promise<readonly Pending[]> {
    if (batch.length === 0) return [];
    const outcomes = await this.#parts.connection.send(this.#commands(batch));
    return this.#settle(batch, outcomes);
  }

  #commands(batch: readonly Pending[]): readonly Command[] {
    const { channels } = this.#parts;
    let loaded = this.#scriptLoaded;
    return batch.map((pending) => {
      const { channel, digest } = pending;
      pending.epoch = channel.epoch ?? "";
      pending.newestOffset = channel.offset;
      const run = loaded ? evalshaCommand : evalCommand;
      loaded ||= digest !== undefined;
      return channels.appendCommand(run, channel, pending);
    });
  }

  /** @returns those that are to be sent again. */
  #settle(batch: readonly Pending[], outcomes: readonly Outcome[]): readonly Pending[] {
    const now = performance.now();
    let allStored = true;
    for (const [index, pending] of batch.entries()) {
      const appended = appendedBy(pending, outcomes[index]);
      if (appended === undefined) {
        allStored = false;
        continue;
      }
      if (pending.digest !== undefined) this.#scriptLoaded = true;
      if (appended instanceof Error) {
        this.#reject(pending, appended);
        continue;
      }
      pending.stored = true;
      pending.channel.note(appended.epoch, appended.offset, pending.name);
      this.#resolve(pending, appended, now);
    }
    return allStored ? [] : this.#sortOut(batch, outcomes);
  }

  /** Rejects those of a batch that cannot be sent again, and returns the others. */
  #sortOut(batch: readonly Pending[], outcomes: readonly Outcome[]): readonly Pending[] {
    const again: Pending[] = [];
    const storedBehind = new Set<ValkeyChannel>();
    for (let index = batch.length - 1; index >= 0; index--) {
      const pending = batch[index];
      if (pending === undefined) continue;
      if (pending.stored) storedBehind.add(pending.channel);
      else if (!pending.settled) {
        const error = this.#obstacle(pending, outcomes[index]);
        if (error !== undefined) this.#reject(pending, error);
        else if (storedBehind.has(pending.channel))
          this.#reject(pending, new Error("Valkey has refused it."));
        else again.push(pending);
      }
    }
    return again.reverse();
  }

  /** Why an append that was not stored, as far as the answer says, cannot be sent again. */
  #obstacle({ channel, epoch, digest }: Pending, outcome: Outcome | undefined): Error | undefined {
    const hasId = digest !== undefined;
    switch (outcome?.kind) {
      case "unsent":
        return undefined;
      case "refused":
        if (isUnknownScript(outcome.error)) this.#scriptLoaded = false;
        else if (isOlderEpoch(outcome.error)) channel.suspect(epoch);
        else {
          channel.suspect(epoch);
          this.#refusal.note(outcome.error);
          this.#hold(channel, outcome.error);
        }
        return undefined;
      case "answered":
        channel.suspect(epoch);
        if (outcome.reply === null) return undefined;
        return hasId ? undefined : new Error("Valkey has lost what it had stored, and maybe this too.");
      case "unknown":
      case undefined:
        return hasId
          ? undefined
          : new Error("The connection to Valkey was lost, and the message may be stored or not.", {
              cause: outcome?.error,
            });
    }
  }

  /** Keeps what is appended to a channel for a while. */
  #hold(channel: ValkeyChannel, problem: Error): void {
    if (!this.#held.has(channel)) this.#held.set(channel, []);
    if (this.#holding !== undefined) return;
    // It has become a replica: the connection leads to where the primary was.
    if (problem.message.startsWith("READONLY")) this.#parts.connection.drop();
    this.#holding = setTimeout(() => {
      this.#release();
      this.#schedule();
      if (this.#idle) this.#onIdle?.();
    }, REFUSED_RETRY_MS);
  }

  #release(): void {
    clearTimeout(this.#holding);
    this.#holding = undefined;
    this.#putBack([...this.#held.values()].flat());
    this.#held.clear();
  }

  readonly #expire = (): void => {
    this.#expiring = undefined;
    const { timeoutSeconds } = this.#parts;
    const horizon = performance.now() - timeoutSeconds * 1000;
    const error = new Error(`Valkey has not answered for ${timeoutSeconds} seconds.`);

    const isExpired = ({ calledAt }: Pending): boolean => calledAt <= horizon;
    for (const pending of this.#underWay.filter(isExpired)) this.#reject(pending, error);
    let oldest = this.#underWay.find(({ settled }) => !settled)?.calledAt ?? Infinity;
    for (const queue of [this.#waiting, ...this.#held.values()]) {
      const firstAlive = queue.findIndex((pending) => !isExpired(pending));
      for (const pending of queue.splice(0, firstAlive < 0 ? Infinity : firstAlive)) {
        this.#reject(pending, error);
      }
      oldest = Math.min(oldest, queue[0]?.calledAt ?? Infinity);
    }
    if (oldest === Infinity) return;
    this.#expiring = setTimeout(this.#expire, Math.ceil(oldest - horizon));
  };

  #resolve(pending: Pending, appended: Appended, now: number): void {
    if (pending.settled) return;
    pending.settled = true;
    this.#bytes -= pending.payloadBytes + APPEND_OVERHEAD_BYTES;
    pending.resolve(appended);
    this.#parts.onAppended((now - pending.calledAt) / 1000);
  }

  #reject(pending: Pending, error: Error): void {
    if (pending.settled) return;
    pending.settled = true;
    this.#bytes -= pending.payloadBytes + APPEND_OVERHEAD_BYTES;
    pending.reject(error);
  }
}

/** @returns why it is not stored for good; nothing where the answer does not say that it was stored in the present epoch. */
function appendedBy(
  { digest, epoch, newestOffset }: Pending,
  outcome: Outcome | undefined,
): Appended | Error | undefined {
  if (outcome?.kind !== "answered" || outcome.reply === null) return undefined;
  // By XADD, or by the script.
  const [text, knownDigest] =
    digest === undefined
      ? [offsetOf(outcome.reply as string), null]
      : (outcome.reply as [string, string | null]);
  if (knownDigest !== null && knownDigest !== digest) return new IdInUseError();
  const [offset, duplicate] = [Number(text), knownDigest !== null];
  // An offset that was given already: the server has lost what had it.
  return duplicate || offset > newestOffset ? { epoch, offset, duplicate } : undefined;
}

function sum<Item>(items: readonly Item[], valueOf: (item: Item) => number): number {
  return items.reduce((total, item) => total + valueOf(item), 0);
}
