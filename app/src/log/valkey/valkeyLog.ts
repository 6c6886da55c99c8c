import { randomBytes } from "node:crypto";

import type { Logger } from "pino";

import { MIB } from "../../settings/units.ts";
import type { Appended, MessageLog, NewMessage, RetentionOf, TaskRegistry } from "../log.ts";
import { ValkeyAppendQueue } from "./append/appendQueue.ts";
import { COMMON_PARTITION, partitionOf, TASKS_KEY } from "./connection/partitions.ts";
import type { ValkeyAddress } from "./connection/valkeyConnection.ts";
import { ValkeyNodes } from "./connection/valkeyNodes.ts";
import { ValkeyChannelEnds } from "./follow/channelEnds.ts";
import { ChannelLocator } from "./follow/channelLocator.ts";
import { Follower } from "./follow/follower.ts";
import { FormatCheck } from "./formatCheck.ts";
import { PageReader } from "./pageReader.ts";
import { reportScript } from "./scripts/taskScripts.ts";
import { ValkeyChannels } from "./valkeyChannels.ts";

/**
 * Time after which a task without a report is considered ended, in milliseconds. It is short, because the other tasks make
 * room for a task until then.
 */
const REPORT_EXPIRY_MS = 3_500;

/** Maximum time until pending appends have a result after `close`, in milliseconds. */
const CLOSE_MS = 2000;

/** Maximum interval of PING on a connection for subscriptions, and until its reply, in milliseconds. */
const MAX_PING_MS = 5000;

/** Length of a task's random name, in bytes. */
const TASK_BYTES = 9;

export interface ValkeyLogOptions extends ValkeyAddress {
  readonly retentionOf: RetentionOf;
  /** Maximum time until an append or any other command has a result, in seconds. */
  readonly publishTimeoutSeconds: number;
  /** Maximum memory of all channels in Valkey, in MiB; 0 for no limit. @default 0 */
  readonly valkeyBudgetMib?: number;
  readonly logger: Logger;
  /** Called for each stored append, with the seconds since the call. */
  readonly onAppended?: (seconds: number) => void;
  /** Called once if the server has a log of another format. The log then stores and delivers nothing. */
  readonly onFormatMismatch?: (error: Error) => void;
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
  const { logger, retentionOf, publishTimeoutSeconds: timeoutSeconds } = options;
  const task = randomBytes(TASK_BYTES).toString("base64url");
  const answerTimeoutMs = timeoutSeconds * 1000;
  const pingMs = Math.min(MAX_PING_MS, answerTimeoutMs);
  const nodes: ValkeyNodes = new ValkeyNodes({
    ...options,
    name: `websocket-${task}`,
    answerTimeoutMs,
    subscriberTimeoutMs: pingMs,
    onMessage: (key, message) => {
      follower.onMessage(key, message);
    },
    onAvailable: (node, partitions) => {
      void format.run();
      appends.noteAvailable(node);
      follower.noteAvailable(partitions);
    },
    onSubscribable: (node) => {
      follower.noteSubscribable(node);
    },
    onMoved: (partitions) => {
      follower.noteMoved(partitions);
    },
  });
  const format = new FormatCheck({
    nodes,
    logger,
    onMatch: () => {
      nodes.open();
    },
    onMismatch: (error) => {
      logger.fatal(error.message);
      options.onFormatMismatch?.(error);
    },
  });
  const channels: ValkeyChannels = new ValkeyChannels({
    retentionOf,
    task,
    budgetBytes: (options.valkeyBudgetMib ?? 0) * MIB,
    timeoutSeconds,
    nodes,
    onOpened: (channel, located) => {
      follower.noteLocated(channel, located);
    },
    logger,
  });
  const locator = new ChannelLocator(nodes, channels);
  const follower: Follower = new Follower({ nodes, channels, locator, pingMs, logger });
  const appends = new ValkeyAppendQueue({
    nodes,
    channels,
    task,
    timeoutSeconds,
    onStored: options.onAppended ?? (() => undefined),
    onAppended: (channel) => {
      follower.noteAppended(channel);
    },
    onUnpublished: (error) => {
      follower.poll(error);
    },
    logger,
  });
  const ends = new ValkeyChannelEnds({
    locator,
    onLocated: (channel, located) => {
      follower.noteLocated(channel, located);
    },
    timeoutSeconds,
  });
  const pages = new PageReader({ nodes, locator, timeoutSeconds });
  let closing: Promise<void> | undefined;

  const report = async (connections: number | ""): Promise<readonly number[]> => {
    const node = nodes.available(COMMON_PARTITION);
    const call = { keys: [TASKS_KEY], args: [task, connections, REPORT_EXPIRY_MS] };
    const [outcome] = (await node?.run(reportScript, [call])) ?? [];
    if (outcome?.kind !== "answered") throw outcome?.error ?? new Error("Valkey is away.");
    // The reply of the report script.
    return outcome.reply as readonly number[];
  };

  const close = async (): Promise<void> => {
    const deadline = setTimeout(() => {
      appends.rejectPending();
      nodes.close();
    }, CLOSE_MS);
    follower.close();
    pages.close();
    await appends.close();
    await report("").catch(() => undefined);
    clearTimeout(deadline);
    ends.close();
    format.close();
    nodes.close();
  };

  return {
    append: (message) => appends.append(channels.get(message.channel), message),

    end: (name) => ends.end(channels.get(name)),

    read: (name, from, maxBytes) => pages.read(channels.get(name), from, maxBytes),

    serverOf: (name) => nodes.of(partitionOf(name)),

    subscribe(name, logReader) {
      if (closing !== undefined) throw new Error("The log is closed.");
      follower.subscribe(channels.get(name), logReader);
    },

    unsubscribe(name, logReader) {
      const channel = channels.find(partitionOf(name), name);
      if (channel !== undefined) follower.unsubscribe(channel, logReader);
    },

    close() {
      closing ??= close();
      return closing;
    },

    registry: { report },
  };
}
