/** Compares everything that the clients of a test received with each other and with the stored logs. */
import assert from "node:assert/strict";

import type { ClientGroup, Ends } from "./clientGroup.ts";
import {
  type Acknowledged,
  type Counts,
  type Log,
  noCounts,
  type Position,
  type Report,
} from "./deliveryRecord.ts";

/** Time after the faults until every message must be acknowledged, and then until it must be delivered. */
const SETTLE_TIMEOUT_MS = 60_000;
/** Missing ones that a failure describes. */
const MAX_DESCRIBED = 20;

export interface Figures extends Counts {
  /** Messages of the current epochs of all channels. */
  readonly messages: number;
  readonly closes: Readonly<Record<number, number>>;
}

/** A channel in the message log. */
export interface Stored {
  /** The last message; `undefined` if there is none. */
  readonly end: Position | undefined;
  /** Ids of the retained messages by offset. */
  readonly ids: ReadonlyMap<number, string>;
}

/** Reads the logs of channels when every message is acknowledged. */
export type ReadStored = (channels: readonly string[]) => Promise<ReadonlyMap<string, Stored>>;

/**
 * Stops publishing, waits until every message is acknowledged and delivered, and compares everything that the clients received.
 * @param groups all groups of their channels.
 * @param read @default what the clients have published
 */
export async function verify(
  groups: readonly ClientGroup[],
  read: ReadStored = () => readAcknowledged(groups),
): Promise<Figures> {
  const all = async (
    what: string,
    act: (group: ClientGroup) => Promise<readonly string[]>,
  ): Promise<void> => {
    const missing = await Promise.all(groups.map(async (group) => [group.name, await act(group)] as const));
    for (const [name, left] of missing)
      assert.ok(
        left.length === 0,
        `${left.length} ${what} of ${name} missing after ${SETTLE_TIMEOUT_MS} ms:\n${left.slice(0, MAX_DESCRIBED).join("\n")}`,
      );
  };
  await all("acknowledgements", (group) => group.settle(SETTLE_TIMEOUT_MS));
  const stored = await read([...new Set(groups.flatMap(({ channels }) => channels))]);
  const ends: Ends = Object.fromEntries(
    Array.from(stored, ([channel, { end }]) => [channel, end] as const).filter(hasEnd),
  );
  await all("last deliveries", (group) => group.reach(ends, SETTLE_TIMEOUT_MS));
  const reports = await Promise.all(groups.map((group) => group.report()));
  const acknowledged = byChannel(reports);
  const hasGaps = reports.some(({ counts }) => counts.reportedMissing > 0);
  for (const [channel, log] of stored) {
    const logs = reports.map(({ logs: own }) => own[channel]).filter((own) => own !== undefined);
    assertOneLog(channel, { logs, acknowledged: acknowledged.get(channel) ?? [], stored: log, hasGaps });
  }
  return { ...sum(reports), messages: Object.values(ends).reduce((total, { offset }) => total + offset, 0) };
}

function hasEnd(entry: readonly [string, Position | undefined]): entry is readonly [string, Position] {
  return entry[1] !== undefined;
}

function byChannel(reports: readonly Report[]): ReadonlyMap<string, readonly Acknowledged[]> {
  return Map.groupBy(
    reports.flatMap(({ acknowledged }) => acknowledged),
    ({ channel }) => channel,
  );
}

/** The logs according to the acknowledgements, for a test that cannot read the store. */
async function readAcknowledged(groups: readonly ClientGroup[]): Promise<ReadonlyMap<string, Stored>> {
  const stored = new Map<string, Stored>();
  for (const [channel, acknowledged] of byChannel(await Promise.all(groups.map((group) => group.report())))) {
    const [end, ...others] = acknowledged.toSorted((one, other) => other.offset - one.offset);
    for (const { epoch } of others) assert.equal(epoch, end?.epoch, `the log of ${channel} began again`);
    stored.set(channel, { end, ids: new Map(acknowledged.map(({ offset, id }) => [offset, id])) });
  }
  assert.ok(stored.size > 0, "no message was acknowledged");
  return stored;
}

interface ChannelReport {
  /** Of each process. */
  readonly logs: readonly Log[];
  readonly acknowledged: readonly Acknowledged[];
  readonly stored: Stored;
  /** Whether gaps were reported. Messages that no reader received can then be missing. */
  readonly hasGaps: boolean;
}

/**
 * Compares the logs of all processes with each other and with the stored log: there is one log, which has each acknowledged
 * message once, at the acknowledged position. Only the last messages of an ended epoch may be missing.
 */
function assertOneLog(
  channel: string,
  { logs, acknowledged, stored: { end, ids: stored }, hasGaps }: ChannelReport,
): void {
  const epochs = merge(channel, logs);
  for (const [epoch, ids] of epochs) {
    const offsets = new Map<string, number>();
    for (const [offset, id] of ids.entries()) {
      // Offsets begin with 1.
      if (offset === 0 || (id === null && hasGaps)) continue;
      assert.ok(id !== null, `${channel}: no reader received ${offset} of epoch ${epoch}`);
      assert.equal(offsets.get(id), undefined, `${channel}: ${id} is at ${offset} of epoch ${epoch} too`);
      offsets.set(id, offset);
    }
  }

  const last = (end === undefined ? undefined : epochs.get(end.epoch)) ?? [];
  assert.equal(Math.max(0, last.length - 1), end?.offset ?? 0, `${channel}: the last message`);
  const assertAt = (ids: Ids, offset: number, id: string, source: string): void => {
    if (ids[offset] === null && hasGaps) return;
    assert.equal(ids[offset], id, `${channel}: ${offset}, compared with ${source}`);
  };
  for (const [offset, id] of stored) assertAt(last, offset, id, "the stored log");

  const known = new Set<string>();
  for (const { id, epoch, offset } of acknowledged) {
    known.add(id);
    const ids = epochs.get(epoch) ?? [];
    if (epoch === end?.epoch || offset < ids.length)
      assertAt(ids, offset, id, `the acknowledgement in ${epoch}`);
  }
  for (const id of last.slice(1)) {
    if (id !== null) assert.ok(known.has(id), `${channel}: ${id} was not acknowledged`);
  }
}

/** Ids by offset; `null` if no reader received the offset. */
type Ids = readonly (string | null)[];

/** Merges the logs, which must agree. */
function merge(channel: string, logs: readonly Log[]): ReadonlyMap<string, Ids> {
  const epochs = new Map<string, (string | null)[]>();
  for (const [epoch, ids] of logs.flatMap((log) => Object.entries(log))) {
    const known = epochs.get(epoch) ?? [];
    epochs.set(epoch, known);
    for (const [offset, id] of ids.entries()) {
      known[offset] ??= id;
      if (id !== null)
        assert.equal(id, known[offset], `${channel}: ${offset} of epoch ${epoch}, received by two readers`);
    }
  }
  return epochs;
}

/** Adds up the reports. */
export function sum(reports: readonly Report[]): Omit<Figures, "messages"> {
  const closes: Record<number, number> = {};
  const all = noCounts();
  for (const { counts, closes: own } of reports) {
    all.clients += counts.clients;
    all.subscriptions += counts.subscriptions;
    all.deliveries += counts.deliveries;
    all.reconnects += counts.reconnects;
    all.renewals += counts.renewals;
    all.rejected += counts.rejected;
    all.lost += counts.lost;
    all.reportedMissing += counts.reportedMissing;
    all.duplicates += counts.duplicates;
    all.openGaps += counts.openGaps;
    all.contradictions.push(...counts.contradictions);
    all.longestPauseMs = Math.max(all.longestPauseMs, counts.longestPauseMs);
    all.longestSubscribeMs = Math.max(all.longestSubscribeMs, counts.longestSubscribeMs);
    for (const [code, count] of Object.entries(own))
      closes[Number(code)] = (closes[Number(code)] ?? 0) + count;
  }
  return { ...all, closes };
}
