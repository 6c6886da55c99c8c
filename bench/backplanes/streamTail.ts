/** Reads all new entries of one stream with a blocking command. */
import type { Redis } from "iovalkey";

import { BLOCK_MS, MAX_READ_ENTRIES } from "./backplane.ts";
import type { StreamEntry, Streams } from "./followed.ts";
import { connectTo, send } from "./nodes.ts";

const RETRY_MS = 20;

export class StreamTail {
  readonly #connection: Redis;
  readonly #key: string;
  readonly #onEntries: (entries: readonly StreamEntry[]) => void;
  #last: string;
  #isClosed = false;

  private constructor(
    connection: Redis,
    key: string,
    last: string,
    onEntries: (entries: readonly StreamEntry[]) => void,
  ) {
    this.#connection = connection;
    this.#key = key;
    this.#last = last;
    this.#onEntries = onEntries;
  }

  /** Starts after the present end of the stream. */
  static async start(
    port: number,
    key: string,
    onEntries: (entries: readonly StreamEntry[]) => void,
  ): Promise<StreamTail> {
    const connection = await connectTo(port);
    const [newest] = await connection.xrevrange(key, "+", "-", "COUNT", 1);
    const tail = new StreamTail(connection, key, newest?.[0] ?? "0-0", onEntries);
    void tail.#run();
    return tail;
  }

  close(): void {
    this.#isClosed = true;
    this.#connection.disconnect();
  }

  async #run(): Promise<void> {
    while (!this.#isClosed) {
      try {
        const [reply] = await send(this.#connection, [
          ["xread", "BLOCK", BLOCK_MS, "COUNT", MAX_READ_ENTRIES, "STREAMS", this.#key, this.#last],
        ]);
        const [stream] = (reply as Streams | null) ?? [];
        const entries = stream?.[1] ?? [];
        this.#last = entries.at(-1)?.[0] ?? this.#last;
        if (entries.length > 0) this.#onEntries(entries);
      } catch {
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }
}
