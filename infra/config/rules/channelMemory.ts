/** The number of channels that fit into the memory of a task. */
import { MIB } from "../../../app/src/settings/units.ts";
import type { Settings } from "../../../app/src/settings/settings.ts";

/** Maximum share of the task's memory for its channels. The process, the connections and short messages use the rest. */
export const CHANNELS_MEMORY_SHARE = 0.75;

/** Copies of a message: one for each of the two dialects, and one in the memory backplane. */
const COPIES = { valkey: 2, memory: 3 } as const;

/** Maximum bytes of the envelope of a message (app/src/wire/encode.ts), which `retainedBytes` does not include. */
export const ENVELOPE_BYTES = 48;

/** Bytes that the memory backplane stores for the ID of a message (app/src/log/memory/recentIds.ts). */
export const STORED_ID_BYTES = 60;

/** Bytes of the copy from which a channel sends its latest frames (app/src/channel/frameSlices.ts). */
export const SLICE_BYTES = 64 * 1024;

/**
 * Resident memory per retained byte: the allocator and the garbage collector free memory late, and a channel fills one block
 * beside a spare one. With Node 24 and 200 full channels it is 1.3 to 1.5; the memory in use is at most 1.0.
 */
const RESIDENT_FACTOR = 1.5;

/** A task and the settings that determine the memory of its channels. */
export interface ChannelMemory {
  /** Memory of the task. */
  readonly memoryMiB: number;
  readonly backplane: keyof typeof COPIES;
  readonly settings: Pick<Settings, "retainedBytes" | "retainedMessages">;
}

/** Returns the resident memory of a full channel in bytes. */
export function channelBytes({ backplane, settings }: Omit<ChannelMemory, "memoryMiB">): number {
  const { retainedBytes, retainedMessages } = settings;
  const kept = retainedBytes + ENVELOPE_BYTES * retainedMessages + SLICE_BYTES;
  const ids = backplane === "memory" ? STORED_ID_BYTES * retainedMessages : 0;
  return RESIDENT_FACTOR * COPIES[backplane] * kept + ids;
}

/** Returns the maximum number of channels; 0 if none fits. */
export function channelsThatFit(task: ChannelMemory): number {
  return Math.floor((CHANNELS_MEMORY_SHARE * task.memoryMiB * MIB) / channelBytes(task));
}
