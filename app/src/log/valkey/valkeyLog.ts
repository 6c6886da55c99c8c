import { randomBytes } from "node:crypto";

import type { Logger } from "pino";

import { RecurringProblem } from "../../metrics/recurringProblem.ts";
import { MIB } from "../../settings/units.ts";
import type {
  Appended,
  LogEntry,
  LogPage,
  LogPosition,
  MessageLog,
  NewMessage,
  RetentionOf,
  TaskRegistry,
} from "../log.ts";
import { ValkeyAppendQueue } from "./appendQueue.ts";
import type { StreamEntry } from "./followedChannel.ts";
import { entryId, parseOffset, TASKS_KEY, wakeKey } from "./valkeyChannel.ts";
import { ValkeyChannels } from "./valkeyChannels.ts";
import { connectToValkey } from "./valkeyConnection.ts";
import type { ValkeyCommand, ValkeyAddress } from "./valkeyConnection.ts";
import { ValkeyChannelEnds } from "./channelEnds.ts";
import { ValkeyChannelReader } from "./channelReader.ts";
import { ValkeyReaderPool } from "./readerPool.ts";
import { evalCommand, reportScript } from "./scripts.ts";

/** Interval at which channels are refreshed: a share of the retention time, and its maximum in milliseconds. */
const REFRESH_SHARE = 0.25;
const MAX_REFRESH_MS = 30_000;

/** Number of channels per refresh command. Appends wait no longer than for one command. */
const REFRESH_BATCH = 50;

/**
 * Time after which a task without a report is considered ended, in milliseconds. It is short, because the other tasks make
 * room for a task until then.
 */
const REPORT_EXPIRY_MS = 3_500;

/** Maximum time until pending appends have a result after `close`, in milliseconds. */
const CLOSE_MS = 2000;

/** Maximum number of entries of a page. */
const MAX_READ_ENTRIES = 1000;

/** Length of a task's random name, in bytes. */
const TASK_BYTES = 9;

export interface ValkeyLogOptions extends ValkeyAddress {
  readonly retentionOf: RetentionOf;
  /** Maximum time that a read blocks, in milliseconds. */
  readonly blockMs: number;
  /** Maximum time until an append or any other command has a result, in seconds. */
  readonly publishTimeoutSeconds: number;
  /** Maximum memory of all channels in Valkey, in MiB; 0 for no limit. @default 0 */
  readonly valkeyBudgetMib?: number;
  readonly logger: Logger;
  /** Called for each stored append, with the seconds since the call. */
  readonly onAppended?: (seconds: number) => void;
}

/** A log that several tasks share, with a registry of these tasks. */
export interface ValkeyLog extends MessageLog {
  append(message: NewMessage): Promise<Appended>;
  readonly registry: TaskRegistry;
}

/**
 * Creates a log in Valkey or Redis, version 7 or later. Appends and subscriptions wait until the server is connected.
 */
export function createValkeyLog(options: ValkeyLogOptions): ValkeyLog {
  const { logger, blockMs, retentionOf, publishTimeoutSeconds: timeoutSeconds } = options;
  const { retainedSeconds } = retentionOf("");
  const task = randomBytes(TASK_BYTES).toString("base64url");
  const timeoutMs = timeoutSeconds * 1000;
  const commands = connectToValkey({ ...options, name: `websocket-${task}`, answerTimeoutMs: timeoutMs });
  const channels = new ValkeyChannels({
    ...options,
    task,
    budgetBytes: (options.valkeyBudgetMib ?? 0) * MIB,
  });
  const appends = new ValkeyAppendQueue({
    connection: commands,
    channels,
    task,
    timeoutSeconds,
    onAppended: options.onAppended ?? (() => undefined),
    logger,
  });
  const ends = new ValkeyChannelEnds({
    connection: commands,
    channels,
    timeoutSeconds,
    onOpened: (channel, opened) => {
      readers.noteOpened(channel, opened);
    },
  });
  // All readers share them, because they use the same server.
  const problems = {
    read: new RecurringProblem({
      logger,
      begun: "Valkey could not be read",
      ended: "Valkey can be read again",
    }),
    wait: new RecurringProblem({
      logger,
      begun: "Valkey does not let reads wait, and is polled",
      ended: "Valkey lets reads wait again",
      quietMs: Infinity,
    }),
  };
  const readers = new ValkeyReaderPool((number) => {
    const name = `${task}-reader-${number}`;
    return new ValkeyChannelReader({
      connection: connectToValkey({
        ...options,
        name: `websocket-${name}`,
        answerTimeoutMs: blockMs + timeoutMs,
      }),
      commands,
      channels,
      wakeKey: wakeKey(name),
      retentionOf,
      blockMs,
      problems,
    });
  });
  const reportCommand = (connections: number | ""): ValkeyCommand =>
    evalCommand(reportScript, TASKS_KEY, task, connections, REPORT_EXPIRY_MS);
  let closing: Promise<void> | undefined;

  /** Renews the expiry of channels that are read, and detects entries that the server has lost. */
  const refresh = async (): Promise<void> => {
    const horizon = performance.now() - retainedSeconds * 1000;
    // Appends renew the expiry of their channel. A channel that was only opened can expire.
    const followed = [...channels.all()].filter((channel) => {
      const isRead = readers.isFollowing(channel);
      if (!isRead && channel.usedAt < horizon) channels.forget(channel);
      return isRead;
    });
    for (let start = 0; start < followed.length; start += REFRESH_BATCH) {
      const batch = followed.slice(start, start + REFRESH_BATCH);
      const opened = await channels.open(
        commands,
        batch.map((channel) => ({ channel })),
      );
      for (const [index, channel] of batch.entries()) {
        const answer = opened[index];
        if (answer !== undefined && !(answer instanceof Error)) readers.noteOpened(channel, answer);
      }
    }
  };
  const refreshing = setInterval(
    () => {
      if (commands.isReady) void refresh();
    },
    Math.min(MAX_REFRESH_MS, retainedSeconds * 1000 * REFRESH_SHARE),
  );

  const read = async (name: string, { epoch, next }: LogPosition, maxBytes: number): Promise<LogPage> => {
    const channel = channels.get(name);
    const opened = await ends.open(channel);
    const from = opened.epoch === epoch ? Math.max(next, opened.first) : opened.first;
    const at = { epoch: opened.epoch, next: Math.min(from, opened.end) };
    if (at.next === opened.end) return { from: at, entries: [], end: opened.end };
    const start = entryId(at.epoch, at.next);
    const [outcome] = await commands.send([
      ["xrange", channel.key, start, at.epoch, "COUNT", MAX_READ_ENTRIES],
    ]);
    if (outcome?.kind !== "answered") throw outcome?.error ?? new Error("Valkey has not answered.");
    const entries: LogEntry[] = [];
    let bytes = 0;
    // The reply of XRANGE.
    for (const [id, [, record]] of outcome.reply as readonly StreamEntry[]) {
      bytes += Buffer.byteLength(record);
      if (entries.length > 0 && bytes > maxBytes) break;
      entries.push({ offset: parseOffset(id), record });
    }
    const last = entries.at(-1)?.offset ?? 0;
    const end = Math.max(opened.end, last + 1);
    return { from: { epoch: at.epoch, next: entries[0]?.offset ?? end }, entries, end };
  };

  const close = async (): Promise<void> => {
    clearInterval(refreshing);
    const deadline = setTimeout(() => {
      appends.rejectPending();
      commands.close();
    }, CLOSE_MS);
    await Promise.all([readers.close(), appends.close()]);
    await commands.send([reportCommand("")]);
    clearTimeout(deadline);
    ends.close();
    commands.close();
  };

  return {
    append: (message) => appends.append(channels.get(message.channel), message),

    async end(name): Promise<LogPosition> {
      const { epoch, end } = await ends.open(channels.get(name));
      return { epoch, next: end };
    },

    read,

    subscribe(name, logReader) {
      if (closing !== undefined) throw new Error("The log is closed.");
      return readers.subscribe(channels.get(name), logReader);
    },

    close() {
      closing ??= close();
      return closing;
    },

    registry: {
      async report(connections) {
        const [outcome] = await commands.send([reportCommand(connections)]);
        if (outcome?.kind !== "answered") throw outcome?.error ?? new Error("Valkey has not answered.");
        // The reply of the report script.
        return outcome.reply as readonly number[];
      },
    },
  };
}
