/** How many connections fit into the memory that a task's channels leave. */
import { KIB, MIB } from "../../../app/src/settings/units.ts";
import type { Settings } from "../../../app/src/settings/settings.ts";
import { channelBytes } from "./channelMemory.ts";
import type { ChannelMemory } from "./channelMemory.ts";

/** Resident memory of a server without clients and channels, in bytes: 105 to 115 MiB with Node 24. */
export const PROCESS_BYTES = 128 * MIB;

/** Resident memory of a connection beside what {@link boundedBytes} bounds: 8 KiB if it is idle, and more if it sends. */
export const CONNECTION_BYTES = 12 * KIB;

/** What all clients together may make a task hold, in bytes, as app/src/connection/wireLimits.ts bounds it. */
const HELD_BYTES = 32 * MIB;
const UNANSWERED_BYTES = 32 * MIB;
const UNTAKEN_BYTES = 32 * MIB;
const UNTAKEN_MESSAGES = 8;

/** Resident memory, by the bytes that are counted: the garbage collector frees buffers late. */
const RESIDENT_FACTOR = 2;

export interface ConnectionMemory extends ChannelMemory {
  readonly settings: ChannelMemory["settings"] & Pick<Settings, "maxChannels" | "maxPayloadBytes">;
}

/** Most bytes that all clients together make a task hold, whatever their number. */
export function boundedBytes({ maxPayloadBytes }: Pick<Settings, "maxPayloadBytes">): number {
  return HELD_BYTES + UNANSWERED_BYTES + Math.max(UNTAKEN_BYTES, UNTAKEN_MESSAGES * maxPayloadBytes);
}

/** What a server takes without its channels and its connections, in bytes. */
export function serverBytes(settings: Pick<Settings, "maxPayloadBytes">): number {
  return PROCESS_BYTES + RESIDENT_FACTOR * boundedBytes(settings);
}

/** Most connections that fit beside `maxChannels` full channels; 0 if not even one does. */
export function connectionsThatFit(task: ConnectionMemory): number {
  const { memoryMiB, settings } = task;
  const left = memoryMiB * MIB - settings.maxChannels * channelBytes(task) - serverBytes(settings);
  return Math.max(0, Math.floor(left / CONNECTION_BYTES));
}
