/** The memory of a task for the recent messages of all its channels. */
import { settingDefinitions } from "../../../app/src/settings/settings.ts";
import type { Settings } from "../../../app/src/settings/settings.ts";
import { MIB } from "../../../app/src/settings/units.ts";

/** Share of the task's memory for recent messages by default. */
const DEFAULT_SHARE = 1 / 8;

/** Memory of the size `cacheMib`: the frames of all channels, and the log of the memory backplane. */
const COPIES = { valkey: 1, memory: 2 } as const;

/** Resident memory per counted byte: the garbage collector frees buffers late. */
const RESIDENT_FACTOR = 1.5;

/** A task and the settings that determine the memory for recent messages. */
export interface CacheMemory {
  /** Memory of the task. */
  readonly memoryMiB: number;
  readonly backplane: keyof typeof COPIES;
  readonly settings: Pick<Settings, "cacheMib">;
}

/** Returns the default of `cacheMib`, which is a share of the task's memory. */
export function defaultCacheMib({ memoryMiB, backplane }: Omit<CacheMemory, "settings">): number {
  const { min, max } = settingDefinitions.cacheMib;
  return Math.min(Math.max(Math.floor((DEFAULT_SHARE * memoryMiB) / COPIES[backplane]), min), max);
}

/** Returns the resident memory for recent messages in bytes. */
export function cacheBytes({ backplane, settings }: Omit<CacheMemory, "memoryMiB">): number {
  return RESIDENT_FACTOR * COPIES[backplane] * settings.cacheMib * MIB;
}

/** Returns the maximum of `cacheMib` that fits into some bytes; 0 if none does. */
export function cacheMibThatFits(bytes: number, backplane: keyof typeof COPIES): number {
  const fits = Math.floor(bytes / (RESIDENT_FACTOR * COPIES[backplane] * MIB));
  return fits < settingDefinitions.cacheMib.min ? 0 : Math.min(fits, settingDefinitions.cacheMib.max);
}
