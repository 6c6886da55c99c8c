/** Message logs for tests. */
import assert from "node:assert/strict";
import { setImmediate as nextTurn } from "node:timers/promises";

import type { Appended, LogPosition, LogReader, MessageLog, NewMessage } from "../../../app/src/log/log.ts";
import { createMemoryLog } from "../../../app/src/log/memory/memoryLog.ts";
import { defaultSettings } from "../../../app/src/settings/settings.ts";

/** Creates a log that retains `retainedBytes`. */
export function memoryLog(retainedBytes = defaultSettings().retainedBytes): MessageLog {
  return createMemoryLog({ ...defaultSettings(), retainedBytes });
}

/** Creates a log with latency: each call takes that many turns of the event loop. */
export function createRemoteLog(retainedBytes: number, turns = { append: 20, subscribe: 20 }): MessageLog {
  const memory = memoryLog(retainedBytes);
  const travel = async (distance: number): Promise<void> => {
    for (let turn = 0; turn < distance; turn++) await nextTurn();
  };
  return {
    ...memory,
    async append(message) {
      await travel(turns.append);
      return memory.append(message);
    },
    subscribe(channel, reader) {
      let stop: (() => void) | undefined;
      let stopped = false;
      void travel(turns.subscribe).then(() => {
        if (!stopped) stop = memory.subscribe(channel, reader);
      });
      return () => {
        stopped = true;
        stop?.();
      };
    },
  };
}

/** A log whose answers and entries the test provides. */
export class ManualLog implements MessageLog {
  readonly appends: {
    readonly message: NewMessage;
    readonly answer: PromiseWithResolvers<Appended>;
  }[] = [];
  /** The readers that are subscribed now, by channel. */
  readonly readers = new Map<string, LogReader>();
  onEnd: (channel: string) => Promise<LogPosition> = () => Promise.reject(new Error("away"));

  append(message: NewMessage): Promise<Appended> {
    const answer = Promise.withResolvers<Appended>();
    this.appends.push({ message, answer });
    return answer.promise;
  }

  end(channel: string): Promise<LogPosition> {
    return this.onEnd(channel);
  }

  subscribe(channel: string, reader: LogReader): () => void {
    assert.ok(!this.readers.has(channel), "one reader per channel");
    this.readers.set(channel, reader);
    return () => {
      if (this.readers.get(channel) === reader) this.readers.delete(channel);
    };
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  reader(channel: string): LogReader {
    return this.readers.get(channel) ?? assert.fail(`no reader of ${JSON.stringify(channel)}`);
  }
}
