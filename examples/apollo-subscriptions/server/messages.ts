/** The latest messages of all tasks: in a Valkey stream, or in the memory of a single task. */
import { setTimeout as delay } from "node:timers/promises";
import type { Cluster, Redis } from "iovalkey";
import { RecentMessages } from "./recentMessages.ts";

export interface Message {
  /** Such as `1764561600000-0`. Later messages have greater numbers. */
  readonly id: string;
  readonly author: string;
  readonly text: string;
  readonly sentAt: string;
  /** Name of the task that has accepted the message. */
  readonly task: string;
}

export interface Messages {
  /** Adds a message, and resolves when it is stored. */
  append(message: Omit<Message, "id">): Promise<Message>;
  /** The latest messages, oldest first. */
  latest(count: number): readonly Message[];
  /** Messages after the one with the id `after`; by default, new ones. */
  follow(after?: string): AsyncIterableIterator<Message>;
  close(): void;
}

/** Number of messages that are retained. */
export const MAX_MESSAGES = 1000;

const STREAM = "messages";
const FIELD = "message";
/** How long a read waits for a message. */
const BLOCK_MS = 5000;
const RETRY_MS = 1000;

type Entry = readonly [id: string, fields: string[]];

/** Opens the messages. Resolves when the retained ones have been read. */
export async function openMessages(valkey: Redis | Cluster | undefined): Promise<Messages> {
  const recent = new RecentMessages(MAX_MESSAGES);
  return valkey === undefined ? inMemory(recent) : inValkey(recent, valkey);
}

function inMemory(recent: RecentMessages): Messages {
  let count = 0;
  return {
    append: async (body) => {
      // As in a Valkey stream: also greater than the ids of a previous process.
      const message = { id: `${Date.now()}-${++count}`, ...body };
      recent.add(message);
      return message;
    },
    latest: (number) => recent.latest(number),
    follow: (after) => recent.follow(after),
    close: () => {},
  };
}

async function inValkey(recent: RecentMessages, valkey: Redis | Cluster): Promise<Messages> {
  // A read that waits blocks its connection.
  const reader = valkey.duplicate();
  reader.on("error", () => {}); // Reported by the other connection.
  let isClosed = false;
  let last = "0-0";

  function receive(entries: readonly Entry[]): void {
    for (const [id, [, body = ""]] of entries) {
      recent.add({ ...(JSON.parse(body) as Message), id });
      last = id;
    }
  }

  async function read(): Promise<void> {
    while (!isClosed) {
      try {
        const reply = await reader.xread("COUNT", 100, "BLOCK", BLOCK_MS, "STREAMS", STREAM, last);
        receive(reply?.[0]?.[1] ?? []);
      } catch {
        // Continues after the last message that was received.
        await delay(RETRY_MS);
      }
    }
  }

  receive((await valkey.xrevrange(STREAM, "+", "-", "COUNT", MAX_MESSAGES)).reverse());
  void read();
  return {
    append: async (body) => {
      const id = await valkey.xadd(STREAM, "MAXLEN", "~", MAX_MESSAGES, "*", FIELD, JSON.stringify(body));
      if (id === null) throw new Error("Valkey has stored no message.");
      return { ...body, id };
    },
    latest: (number) => recent.latest(number),
    follow: (after) => recent.follow(after),
    close: () => {
      isClosed = true;
      reader.disconnect();
      valkey.disconnect();
    },
  };
}
