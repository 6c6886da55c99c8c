import { IdInUseError } from "../log.ts";
import type { MessageLog, RetentionOf } from "../log.ts";
import { MemoryChannel } from "./memoryChannel.ts";
import { UnreadChannels } from "./unreadChannels.ts";

/** Interval at which old entries and unused channels are dropped, as a share of the retention time. */
const SWEEP_SHARE = 0.25;

/**
 * Memory for all channels without a reader, as a number of full channels. A channel has no reader while its only one
 * reconnects, so some must be kept. They must not fill a task's memory, because one client can open any number of channels.
 */
const UNREAD_FULL_CHANNELS = 64;

export interface MemoryLogOptions {
  readonly retentionOf: RetentionOf;
  /** A monotonic clock, in milliseconds. @default performance.now */
  readonly now?: () => number;
}

/** Creates the log of a single task. Its entries are lost when the process ends. */
export function createMemoryLog({
  retentionOf,
  now = () => performance.now(),
}: MemoryLogOptions): MessageLog {
  const channels = new Map<string, MemoryChannel>();
  const usual = retentionOf("");
  const unread = new UnreadChannels(UNREAD_FULL_CHANNELS * usual.retainedBytes, (name) => {
    channels.delete(name);
  });
  let isClosed = false;

  const openChannel = (name: string): MemoryChannel => {
    let channel = channels.get(name);
    if (channel === undefined) {
      channel = new MemoryChannel(retentionOf(name));
      channels.set(name, channel);
    }
    return channel;
  };
  const noteUse = (name: string, channel: MemoryChannel): void => {
    if (!channel.isRead) unread.use(name, channel);
  };

  const sweep = setInterval(
    () => {
      const at = now();
      for (const [name, channel] of channels) {
        channel.evictExpired(at);
        if (!channel.isExpired(at)) continue;
        channels.delete(name);
        unread.remove(name);
      }
      unread.measure();
    },
    usual.retainedSeconds * 1000 * SWEEP_SHARE,
  );
  sweep.unref();

  return {
    append({ channel: name, record, id, publisher }) {
      if (isClosed) return Promise.reject(new Error("The log is closed."));
      const channel = openChannel(name);
      const appended =
        id === undefined ? channel.append(record, now()) : channel.appendOnce(record, id, publisher, now());
      noteUse(name, channel);
      return appended ?? Promise.reject(new IdInUseError());
    },

    end(name) {
      if (isClosed) return Promise.reject(new Error("The log is closed."));
      const channel = openChannel(name);
      const end = channel.end(now());
      noteUse(name, channel);
      return Promise.resolve(end);
    },

    read(name, from, maxBytes) {
      if (isClosed) return Promise.reject(new Error("The log is closed."));
      const channel = openChannel(name);
      const page = channel.read(from, maxBytes, now());
      noteUse(name, channel);
      return Promise.resolve(page);
    },

    subscribe(name, reader) {
      if (isClosed) throw new Error("The log is closed.");
      const channel = openChannel(name);
      channel.addReader(reader);
      unread.remove(name);
      let isReading = true;
      return () => {
        if (!isReading) return;
        isReading = false;
        channel.removeReader(reader, now());
        if (!isClosed) noteUse(name, channel);
      };
    },

    close() {
      isClosed = true;
      clearInterval(sweep);
      for (const [name, channel] of channels) {
        channel.removeAllReaders();
        unread.remove(name);
      }
      channels.clear();
      return Promise.resolve();
    },
  };
}
