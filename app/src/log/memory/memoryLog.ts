import { settingDefinitions } from "../../settings/settings.ts";
import { MIB } from "../../settings/units.ts";
import { IdInUseError } from "../log.ts";
import type { MessageLog, RetentionOf } from "../log.ts";
import { MemoryBudget } from "./memoryBudget.ts";
import { MemoryChannel } from "./memoryChannel.ts";

/** Interval at which old entries and unused channels are evicted if the log is not used. It costs nothing unless there are any. */
const SWEEP_MS = 1000;

export interface MemoryLogOptions {
  readonly retentionOf: RetentionOf;
  /**
   * Maximum memory of all entries and ids, and of channels without a reader, in bytes. The oldest entries are evicted beyond it, and
   * channels without a reader begin a new epoch. A single entry can exceed it. @default the default of `cacheMib`
   */
  readonly maxBytes?: number;
  /** A monotonic clock, in milliseconds. @default performance.now */
  readonly now?: () => number;
}

/** Creates the log of a single task. Its entries are lost when the process ends. */
export function createMemoryLog({
  retentionOf,
  maxBytes = settingDefinitions.cacheMib.default * MIB,
  now = () => performance.now(),
}: MemoryLogOptions): MessageLog {
  const channels = new Map<string, MemoryChannel>();
  const budget = new MemoryBudget(maxBytes);
  let isClosed = false;

  const onEvicted = (name: string): void => {
    channels.delete(name);
  };
  const openChannel = (name: string, at: number): MemoryChannel => {
    budget.evictExpired(at);
    let channel = channels.get(name);
    if (channel === undefined) {
      channel = new MemoryChannel({ name, retention: retentionOf(name), budget, onEvicted });
      channels.set(name, channel);
    }
    return channel;
  };
  /** Opens a channel, and notes its use. */
  const useChannel = (name: string): MemoryChannel => {
    const at = now();
    const channel = openChannel(name, at);
    channel.use(at);
    return channel;
  };

  const sweep = setInterval(() => {
    budget.evictExpired(now());
  }, SWEEP_MS);
  sweep.unref();

  return {
    append(message) {
      if (isClosed) return Promise.reject(closedError());
      const { id } = message;
      const at = now();
      const channel = openChannel(message.channel, at);
      const appended =
        id === undefined ? channel.append(message.record, at) : channel.appendOnce(message, id, at);
      return appended ?? Promise.reject(new IdInUseError());
    },

    end(name) {
      if (isClosed) return Promise.reject(closedError());
      return Promise.resolve(useChannel(name).end());
    },

    read(name, from, maxPageBytes) {
      if (isClosed) return Promise.reject(closedError());
      return Promise.resolve(useChannel(name).read(from, maxPageBytes));
    },

    subscribe(name, reader) {
      if (isClosed) throw closedError();
      openChannel(name, now()).addReader(reader);
    },

    unsubscribe(name, reader) {
      channels.get(name)?.removeReader(reader, now());
    },

    close() {
      isClosed = true;
      clearInterval(sweep);
      for (const channel of channels.values()) channel.removeAllReaders();
      channels.clear();
      return Promise.resolve();
    },
  };
}

function closedError(): Error {
  return new Error("The log is closed.");
}
