/** How many channels fit into a task's memory. */
import { MIB } from "../../../app/src/settings/units.ts";
import type { Settings } from "../../../app/src/settings/settings.ts";

/** What a task's channels may take of its memory. The rest is for the process, its connections, and shorter messages. */
export const CHANNELS_MEMORY_SHARE = 0.75;

/** A channel keeps its messages in each dialect that is spoken there, and the memory backplane once more as they are. */
const COPIES = { valkey: 2, memory: 3 } as const;

/** Most that a message has around it, in bytes, as app/src/wire/encode.ts counts it: that is kept besides `retainedBytes`. */
export const ENVELOPE_BYTES = 48;

/** What the memory backplane keeps of a message's id, in bytes; see app/src/log/memory/recentIds.ts. */
export const STORED_ID_BYTES = 60;

/** What readers are given, a copy of the end of what is retained, in bytes; see app/src/channel/frameSlices.ts. */
export const SLICE_BYTES = 64 * 1024;

/**
 * Resident memory, by the bytes of what is kept: there are a block that is being filled, a spare one, and what the
 * allocator and the garbage collector leave. What is in use, as the test measures it for messages from one byte to half a
 * segment, is at most 1.0; resident, with Node 24 and 200 full channels, it is 1.3 to 1.5.
 */
const RESIDENT_FACTOR = 1.5;

export interface ChannelMemory {
  /** The task's. */
  readonly memoryMiB: number;
  readonly backplane: keyof typeof COPIES;
  readonly settings: Pick<Settings, "retainedBytes" | "retainedMessages">;
}

/** What one channel takes when it is full, in bytes. */
export function channelBytes({ backplane, settings }: Omit<ChannelMemory, "memoryMiB">): number {
  const { retainedBytes, retainedMessages } = settings;
  const kept = retainedBytes + ENVELOPE_BYTES * retainedMessages + SLICE_BYTES;
  const ids = backplane === "memory" ? STORED_ID_BYTES * retainedMessages : 0;
  return RESIDENT_FACTOR * COPIES[backplane] * kept + ids;
}

/** Most channels that fit; 0 where not even one does. */
export function channelsThatFit(task: ChannelMemory): number {
  return Math.floor((CHANNELS_MEMORY_SHARE * task.memoryMiB * MIB) / channelBytes(task));
}
