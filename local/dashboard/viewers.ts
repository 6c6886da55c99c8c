/** The open pages: each gets a stream of snapshots, one JSON object per line. */
import type { ServerResponse } from "node:http";
import { type MessageRates, NO_RATES, ratesBetween, readCounters, type Reading } from "./messageRates.ts";
import { type DashboardStack, type Snapshot, takeSnapshot } from "./snapshot.ts";
import type { History } from "./history.ts";

/** Browsers open at most six connections to a server. One remains for faults and for another page. */
export const MAX_VIEWERS = 5;
const SNAPSHOT_INTERVAL_MS = 250;
const RATES_INTERVAL_MS = 1000;
/** A viewer that reads nothing for this time is disconnected. */
const MAX_UNREAD_MS = 30_000;

export interface Viewers {
  /** @returns `false` if there are {@link MAX_VIEWERS} already. */
  add(response: ServerResponse): boolean;
  /** Sends the last snapshot, and ends every stream. */
  close(): void;
}

interface Viewer {
  readonly response: ServerResponse;
  /** The number of the last event that was sent. */
  lastEvent: number;
  lastText: string;
  /** Time at which the socket became full; `undefined` while it is not. */
  fullSinceMs: number | undefined;
}

export function createViewers(stack: DashboardStack, history: History): Viewers {
  const viewers = new Set<Viewer>();
  let timers: readonly NodeJS.Timeout[] = [];
  let reading: Reading | undefined;
  let rates: MessageRates = NO_RATES;

  /** A snapshot replaces the one before, so a viewer that reads slowly skips some, and nothing queues for it. */
  function send(viewer: Viewer): void {
    const { response } = viewer;
    if (response.writableNeedDrain) {
      viewer.fullSinceMs ??= performance.now();
      if (performance.now() - viewer.fullSinceMs > MAX_UNREAD_MS) response.destroy();
      return;
    }
    viewer.fullSinceMs = undefined;
    const snapshot = takeSnapshot(stack, history, rates, viewer.lastEvent);
    const text = JSON.stringify(snapshot);
    if (text === viewer.lastText) return;
    viewer.lastText = text;
    viewer.lastEvent = lastEventOf(snapshot) ?? viewer.lastEvent;
    response.write(`${text}\n`);
  }

  function sendAll(): void {
    for (const viewer of viewers) send(viewer);
  }

  async function updateRates(): Promise<void> {
    const before = reading;
    const after = await readCounters(stack.status());
    if (viewers.size === 0) return;
    reading = after;
    rates = before === undefined ? NO_RATES : ratesBetween(before, after);
  }

  function start(): void {
    void updateRates();
    timers = [
      setInterval(sendAll, SNAPSHOT_INTERVAL_MS),
      setInterval(() => void updateRates(), RATES_INTERVAL_MS),
    ];
  }

  function stop(): void {
    for (const timer of timers) clearInterval(timer);
    reading = undefined;
    rates = NO_RATES;
  }

  return {
    add(response) {
      if (viewers.size >= MAX_VIEWERS) return false;
      const viewer: Viewer = { response, lastEvent: 0, lastText: "", fullSinceMs: undefined };
      viewers.add(viewer);
      if (viewers.size === 1) start();
      response.once("close", () => {
        viewers.delete(viewer);
        if (viewers.size === 0) stop();
      });
      send(viewer);
      return true;
    },
    close() {
      sendAll();
      stop();
      for (const { response } of viewers) response.end();
    },
  };
}

function lastEventOf({ events }: Snapshot): number | undefined {
  return events.at(-1)?.number;
}
