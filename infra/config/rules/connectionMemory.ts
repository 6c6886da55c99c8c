/** The number of connections that fit into a task's memory beside its channels. */
import { KIB, MIB } from "../../../app/src/settings/units.ts";
import type { Settings } from "../../../app/src/settings/settings.ts";
import { channelBytes } from "./channelMemory.ts";
import type { ChannelMemory } from "./channelMemory.ts";

/** Resident memory of a server without clients and channels, in bytes: 105 to 115 MiB with Node 24. */
export const PROCESS_BYTES = 128 * MIB;

/** Resident memory of a connection in bytes, except {@link boundedBytes}: 8 KiB if it is idle, and more if it sends. */
export const CONNECTION_BYTES = 12 * KIB;

/** Maximum bytes that a task holds for all clients together (app/src/connection/wireLimits.ts). */
const HELD_BYTES = 32 * MIB;
const UNANSWERED_BYTES = 32 * MIB;
const UNTAKEN_BYTES = 32 * MIB;
const UNTAKEN_MESSAGES = 8;

/** Resident memory per counted byte: the garbage collector frees buffers late. */
const RESIDENT_FACTOR = 2;

/** A task and the settings that determine the memory of its connections. */
export interface ConnectionMemory extends ChannelMemory {
  readonly settings: ChannelMemory["settings"] & Pick<Settings, "maxChannels" | "maxPayloadBytes">;
}

/** Returns the maximum bytes that a task holds for all clients together. Their number does not change it. */
export function boundedBytes({ maxPayloadBytes }: Pick<Settings, "maxPayloadBytes">): number {
  return HELD_BYTES + UNANSWERED_BYTES + Math.max(UNTAKEN_BYTES, UNTAKEN_MESSAGES * maxPayloadBytes);
}

/** Returns the resident memory of a server without channels and connections, in bytes. */
export function serverBytes(settings: Pick<Settings, "maxPayloadBytes">): number {
  return PROCESS_BYTES + RESIDENT_FACTOR * boundedBytes(settings);
}

/** Returns the maximum number of connections beside `maxChannels` full channels; 0 if none fits. */
export function connectionsThatFit(task: ConnectionMemory): number {
  const { memoryMiB, settings } = task;
  const left = memoryMiB * MIB - settings.maxChannels * channelBytes(task) - serverBytes(settings);
  return Math.max(0, Math.floor(left / CONNECTION_BYTES));
}
