import { randomBytes } from "node:crypto";

import type { Logger } from "pino";

import { RecurringProblem } from "../../metrics/recurringProblem.ts";
import { MIB } from "../../settings/settings.ts";
import type { Appended, LogPosition, MessageLog, NewMessage } from "../log.ts";
import type { Retention } from "../retention.ts";
import { ValkeyAppendQueue } from "./appendQueue.ts";
import { TASKS_KEY, wakeKey } from "./valkeyChannel.ts";
import { ValkeyChannels } from "./valkeyChannels.ts";
import { connectToValkey } from "./valkeyConnection.ts";
import type { ValkeyCommand, ValkeyAddress } from "./valkeyConnection.ts";
import { ValkeyChannelEnds } from "./channelEnds.ts";
import { ValkeyChannelReader } from "./channelReader.ts";
import { ValkeyReaderPool } from "./readerPool.ts";
import { evalCommand, reportScript } from "./scripts.ts";

/** How often channels are refreshed: a share of the time that entries are retained, and in milliseconds at most. */
const REFRESH_SHARE = 0.25;
const LONGEST_REFRESH_MS = 30_000;

/** Channels that are refreshed at once. */
const REFRESH_BATCH = 50;

/**
 * Time after which a task that has not reported is taken for gone, in milliseconds: soon, as the others would go on to make
 * room for it. One that is only late is left out for a moment, which does no harm.
 */
const REPORT_EXPIRY_MS = 3_500;

/** Time that everything pending gets at the close, in milliseconds. */
const CLOSE_MS = 2000;

/** Bytes of the random name of a task. */
const TASK_BYTES = 9;

export interface ValkeyLogOptions extends ValkeyAddress, Retention {
  /** Longest time that one read waits for news, in milliseconds. */
  readonly blockMs: number;
  /** Time that an append is held while Valkey is away, and that any answer may take, in seconds. */
  readonly publishTimeoutSeconds: number;
  /** What all channels together may take of Valkey's memory, in MiB; 0 is no limit. @default 0 */
  readonly valkeyBudgetMib?: number;
  readonly logger: Logger;
  /** Told the seconds that each append took. */
  readonly onAppended?: (seconds: number) => void;
}

/** A log that several tasks share, and where they know of each other. */
export interface ValkeyLog extends MessageLog {
  append(message: NewMessage): Promise<Appended>;
  readonly registry: ValkeyTaskRegistry;
}

export interface ValkeyTaskRegistry {
  /**
   * Notes how many connections this task has. To be repeated every two seconds: a task is forgotten after 3.5.
   * @returns the numbers of all tasks, this one's among them.
   * @throws where Valkey does not answer.
   */
  report(connections: number): Promise<readonly number[]>;
}

/**
 * The log in a Valkey, or a Redis, of version 7 or later. It needs no connection to begin with: until there is one, appends
 * are held and subscriptions wait.
 */
export function createValkeyLog(options: ValkeyLogOptions): ValkeyLog {
  const { logger, blockMs, retainedSeconds, publishTimeoutSeconds: timeoutSeconds } = options;
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
  // One of each for all readers: they meet the same server.
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
      retention: options,
      blockMs,
      problems,
    });
  });
  const reportCommand = (connections: number | ""): ValkeyCommand =>
    evalCommand(reportScript, TASKS_KEY, task, connections, REPORT_EXPIRY_MS);
  let closing: Promise<void> | undefined;

  /** Keeps the channels that are read from expiring, and notices what was lost of them without a lost connection. */
  const refresh = async (): Promise<void> => {
    const horizon = performance.now() - retainedSeconds * 1000;
    // Appends renew the expiry of their channel by themselves, and a channel that was only opened needs none.
    const used = [...channels.all()].filter((channel) => {
      const isRead = readers.follows(channel);
      if (!isRead && channel.usedAt < horizon) channels.forget(channel);
      return isRead;
    });
    // In parts, so that no append has to wait for all of it.
    for (let start = 0; start < used.length; start += REFRESH_BATCH) {
      const part = used.slice(start, start + REFRESH_BATCH);
      const opened = await channels.open(
        commands,
        part.map((channel) => ({ channel })),
      );
      for (const [index, channel] of part.entries()) {
        const answer = opened[index];
        if (answer !== undefined && !(answer instanceof Error)) readers.noteOpened(channel, answer);
      }
    }
  };
  const refreshing = setInterval(
    () => {
      if (commands.isReady) void refresh();
    },
    Math.min(LONGEST_REFRESH_MS, retainedSeconds * 1000 * REFRESH_SHARE),
  );

  const close = async (): Promise<void> => {
    clearInterval(refreshing);
    const giveUp = setTimeout(() => {
      appends.rejectPending();
      commands.close();
    }, CLOSE_MS);
    await Promise.all([readers.close(), appends.close()]);
    await commands.send([reportCommand("")]);
    clearTimeout(giveUp);
    ends.close();
    commands.close();
  };

  return {
    append: (message) => appends.append(channels.get(message.channel), message),

    end: (name): Promise<LogPosition> => ends.end(channels.get(name)),

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
        // By the script.
        return outcome.reply as readonly number[];
      },
    },
  };
}
