import type { LogPage, LogPosition, MessageLog } from "../log/log.ts";
import type { ChannelState } from "./frameLog.ts";

/** Maximum bytes of the records of a page. */
const PAGE_BYTES = 64 * 1024;

/** Maximum number of reads of one server at a time. */
const MAX_READS = 8;

/** Delay after a failed read, in milliseconds. It doubles from the minimum to the maximum until a read succeeds. */
const MIN_RETRY_MS = 50;
const MAX_RETRY_MS = 2000;

/** Frames whose readers wait for pages. */
export interface PagedFrames {
  readonly channel: Pick<ChannelState, "name">;
  nextWanted(from: number): LogPosition | undefined;
  takePage(wanted: LogPosition, page: LogPage): number | undefined;
  notePageFailed(error: unknown): boolean;
}

/** The reads of pages from one server of the log. All readers of the same frames share a read. */
export class PageReads {
  readonly #log: MessageLog;
  readonly #closing: AbortSignal;
  /** Frames with a request, and the offset at which the search for their next page begins. */
  readonly #requested = new Map<PagedFrames, number>();
  readonly #reading = new Set<PagedFrames>();
  /** Frames whose last read has failed. */
  #failed = new Set<PagedFrames>();
  #failures = 0;
  #retryTimer: NodeJS.Timeout | undefined;
  #isScheduled = false;

  /** @param closing is aborted to end all reads. */
  constructor(log: MessageLog, closing: AbortSignal) {
    this.#log = log;
    this.#closing = closing;
  }

  /** Reads the page that frames need next. It begins later, because the log may be calling its reader now. Idempotent. */
  request(frames: PagedFrames): void {
    if (this.#requested.has(frames) || this.#reading.has(frames) || this.#failed.has(frames)) return;
    this.#request(frames, 0);
  }

  #request(frames: PagedFrames, from: number): void {
    this.#requested.set(frames, from);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(this.#start);
  }

  readonly #start = (): void => {
    this.#isScheduled = false;
    if (this.#closing.aborted) return;
    for (const [frames, from] of this.#requested) {
      if (this.#reading.size >= MAX_READS) return;
      this.#requested.delete(frames);
      const wanted = frames.nextWanted(from);
      if (wanted === undefined) continue;
      this.#reading.add(frames);
      void this.#read(frames, wanted);
    }
  };

  async #read(frames: PagedFrames, wanted: LogPosition): Promise<void> {
    let page: LogPage | undefined;
    try {
      page = await this.#log.read(frames.channel.name, wanted, PAGE_BYTES);
    } catch (error) {
      this.#reading.delete(frames);
      if (frames.notePageFailed(error)) this.#retryLater(frames);
    }
    if (page !== undefined) {
      this.#reading.delete(frames);
      const end = frames.takePage(wanted, page);
      // Otherwise the log and the channel differ, and the log will notify the channel.
      if (end === undefined) this.#retryLater(frames);
      else {
        this.#failures = 0;
        this.#request(frames, end);
      }
    }
    if (this.#requested.size > 0) this.#start();
  }

  #retryLater(frames: PagedFrames): void {
    this.#failed.add(frames);
    if (this.#retryTimer !== undefined || this.#closing.aborted) return;
    const delay = Math.min(MAX_RETRY_MS, MIN_RETRY_MS * 2 ** this.#failures);
    this.#failures += 1;
    this.#retryTimer = setTimeout(this.#retry, delay).unref();
  }

  readonly #retry = (): void => {
    this.#retryTimer = undefined;
    const failed = this.#failed;
    this.#failed = new Set();
    for (const frames of failed) this.#request(frames, 0);
  };
}
