import type { MessageLog } from "../log/log.ts";
import { PageReads } from "./pageReads.ts";
import type { PagedFrames } from "./pageReads.ts";

/**
 * Reads pages of the log for the readers that are behind the frames in memory. Each server of the log has reads of its own, so that
 * one that does not answer delays its own channels only.
 */
export class PageReader {
  readonly #log: MessageLog;
  readonly #closing = new AbortController();
  readonly #byServer = new WeakMap<object, PageReads>();

  constructor(log: MessageLog) {
    this.#log = log;
  }

  /** Reads the page that frames need next. It begins later, because the log may be calling its reader now. Idempotent. */
  request(frames: PagedFrames): void {
    if (this.#closing.signal.aborted) return;
    const server = this.#log.serverOf?.(frames.channel.name) ?? this.#log;
    let reads = this.#byServer.get(server);
    if (reads === undefined) {
      reads = new PageReads(this.#log, this.#closing.signal);
      this.#byServer.set(server, reads);
    }
    reads.request(frames);
  }

  /** Ends all reads. Their readers wait forever, except those of joins. Idempotent. */
  close(): void {
    this.#closing.abort();
  }
}
