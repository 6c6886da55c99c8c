import type { MessageLog } from "../log/log.ts";
import { GapNotices } from "./gapNotice.ts";
import { PageReader } from "./pageReader.ts";
import { SlabQueue } from "./slabQueue.ts";
import { Slices } from "./slices.ts";

/** Share of the cache for pages of the log, so that readers that are far behind do not evict what all others need. */
const PAGES_SHARE = 0.25;

/** Share of the memory of recent messages after which readers are notified in the middle of a turn. */
const URGENT_SHARE = 0.25;

export interface FrameCacheParts {
  readonly log: MessageLog;
  /** Maximum memory of the frames of all channels and dialects, in bytes. */
  readonly maxBytes: number;
}

/** What the frames of all channels of a task share. */
export class FrameCache {
  /** Memory of recent messages. */
  readonly recent: SlabQueue;
  /** Memory of pages of the log. */
  readonly pages: SlabQueue;
  readonly slices = new Slices();
  readonly pageReader: PageReader;
  readonly gapNotices = new GapNotices();
  /** Bytes of new messages that readers should read before the next ones evict them. */
  readonly urgentBytes: number;

  constructor({ log, maxBytes }: FrameCacheParts) {
    const maxPageBytes = maxBytes * PAGES_SHARE;
    this.recent = new SlabQueue(maxBytes - maxPageBytes);
    this.pages = new SlabQueue(maxPageBytes);
    this.pageReader = new PageReader(log);
    this.urgentBytes = (maxBytes - maxPageBytes) * URGENT_SHARE;
  }
}
