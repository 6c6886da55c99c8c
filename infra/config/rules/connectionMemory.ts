/** The number of connections that fit into a task's memory beside its recent messages. */
import { KIB, MIB } from "../../../app/src/settings/units.ts";
import type { Settings } from "../../../app/src/settings/settings.ts";
import { cacheBytes } from "./cacheMemory.ts";
import type { CacheMemory } from "./cacheMemory.ts";

/** Resident memory of a server without clients and channels, in bytes: 105 to 115 MiB with Node 24. */
export const PROCESS_BYTES = 128 * MIB;

/**
 * Resident memory of a connection and a channel of its own in bytes, except {@link boundedBytes}: 8 KiB if it is idle, and more
 * if it sends.
 */
export const CONNECTION_BYTES = 12 * KIB;

/** Resident memory of a channel without messages in bytes. */
export const CHANNEL_BYTES = KIB;

/** Maximum bytes that a task holds for all clients together (app/src/connection/wireLimits.ts). */
const HELD_BYTES = 32 * MIB;
const UNANSWERED_BYTES = 32 * MIB;
const UNTAKEN_BYTES = 32 * MIB;
const UNTAKEN_MESSAGES = 8;

/** Resident memory per counted byte: the garbage collector frees buffers late. */
const RESIDENT_FACTOR = 2;

/** A task and the settings that determine the memory of its connections. */
export interface ConnectionMemory extends CacheMemory {
  readonly settings: CacheMemory["settings"] & Pick<Settings, "maxChannels" | "maxPayloadBytes">;
}

/** Returns the maximum bytes that a task holds for all clients together. Their number does not change it. */
export function boundedBytes({ maxPayloadBytes }: Pick<Settings, "maxPayloadBytes">): number {
  return HELD_BYTES + UNANSWERED_BYTES + Math.max(UNTAKEN_BYTES, UNTAKEN_MESSAGES * maxPayloadBytes);
}

/** Returns the resident memory of a server without messages and connections, in bytes. */
export function serverBytes(settings: Pick<Settings, "maxPayloadBytes">): number {
  return PROCESS_BYTES + RESIDENT_FACTOR * boundedBytes(settings);
}

/**
 * Returns the maximum number of connections; 0 if none fits. Each has a channel of its own, and `maxChannels` can allow more
 * channels than connections.
 */
export function connectionsThatFit(task: ConnectionMemory): number {
  const { memoryMiB, settings } = task;
  const left = memoryMiB * MIB - cacheBytes(task) - serverBytes(settings);
  const most = Math.floor(left / CONNECTION_BYTES);
  if (most >= settings.maxChannels) return most;
  const beside = (left - settings.maxChannels * CHANNEL_BYTES) / (CONNECTION_BYTES - CHANNEL_BYTES);
  return Math.max(0, Math.floor(beside));
}
