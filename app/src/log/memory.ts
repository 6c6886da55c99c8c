import { randomUUID } from "node:crypto";

import { RetainedWindow } from "../retainedWindow.ts";
import type { LogEntry, LogReader, MessageLog } from "./log.ts";

const FIRST_OFFSET = 1;

interface Channel {
  readonly entries: RetainedWindow<LogEntry>;
  /** Offsets of the retained entries that carry an id, oldest first. */
  readonly offsetsById: Map<string, number>;
  readonly readers: Set<LogReader>;
}

/**
 * The log of a single process: its entries end with it.
 * @param retainedBytes most that is kept per channel, in characters of payload.
 */
export function createMemoryLog({ retainedBytes }: { readonly retainedBytes: number }): MessageLog {
  const channels = new Map<string, Channel>();
  let closed = false;

  const channelOf = (name: string): Channel => {
    let channel = channels.get(name);
    if (channel === undefined) {
      const entries = new RetainedWindow<LogEntry>(
        FIRST_OFFSET,
        retainedBytes,
        ({ payload }) => payload.length,
      );
      channel = { entries, offsetsById: new Map(), readers: new Set() };
      channels.set(name, channel);
    }
    return channel;
  };

  return {
    epoch: randomUUID(),

    append(name, payload, id) {
      if (closed) return Promise.reject(new Error("The log is closed."));
      const { entries, offsetsById, readers } = channelOf(name);

      const known = id === undefined ? undefined : offsetsById.get(id);
      if (known !== undefined) return Promise.resolve({ offset: known, duplicate: true });

      const offset = entries.end;
      const entry = { offset, payload };
      entries.push(entry);
      if (id !== undefined) offsetsById.set(id, offset);
      forgetBefore(entries.first, offsetsById);
      for (const reader of readers) reader.entries([entry]);
      return Promise.resolve({ offset, duplicate: false });
    },

    subscribe(name, from, reader) {
      if (closed) {
        reader.failed(new Error("The log is closed."));
        return () => undefined;
      }
      const { entries, readers } = channelOf(name);
      const next = from === "end" ? entries.end : Math.max(from, entries.first);
      reader.started(next);
      const retained = entriesFrom(next, entries);
      if (retained.length > 0) reader.entries(retained);
      readers.add(reader);
      return () => {
        readers.delete(reader);
      };
    },

    close() {
      closed = true;
      channels.clear();
      return Promise.resolve();
    },
  };
}

function entriesFrom(offset: number, entries: RetainedWindow<LogEntry>): readonly LogEntry[] {
  const found: LogEntry[] = [];
  for (let entry = entries.at(offset); entry !== undefined; entry = entries.at(entry.offset + 1)) {
    found.push(entry);
  }
  return found;
}

function forgetBefore(offset: number, offsetsById: Map<string, number>): void {
  for (const [id, known] of offsetsById) {
    if (known >= offset) return;
    offsetsById.delete(id);
  }
}
