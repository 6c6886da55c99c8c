/** The number of connections that fit into a task's memory beside its recent messages. */
import { KIB, MIB } from "../../../app/src/settings/units.ts";
import { settingDefinitions } from "../../../app/src/settings/settings.ts";
import type { Settings } from "../../../app/src/settings/settings.ts";
import { cacheBytes } from "./cacheMemory.ts";
import type { CacheMemory } from "./cacheMemory.ts";

/** Resident memory of a server without clients and channels, in bytes: 105 to 115 MiB with Node 24. */
export const PROCESS_BYTES = 128 * MIB;

/**
 * Resident memory of a connection and a channel of its own in bytes, except {@link boundedBytes}: 9 KiB if it is idle, and more
 * if it sends.
 */
export const CONNECTION_BYTES = 12 * KIB;

/** Memory in use of a channel without messages and its subscription, in bytes. */
export const CHANNEL_BYTES = KIB;

/** Memory of a subscription to a channel that others have too, in bytes: 300 in use, and garbage before it is collected. */
export const SUBSCRIPTION_BYTES = 512;

/** Subscriptions of each connection that fit into {@link CONNECTION_BYTES}. */
const SUBSCRIPTIONS_PER_CONNECTION = 4;

/** Share of the memory without another use that subscriptions may take. The system has buffers of sockets in the rest. */
const SUBSCRIPTIONS_SHARE = 0.5;

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

/** A task and the settings that determine the memory of its subscriptions. */
export interface SubscriptionMemory extends ConnectionMemory {
  readonly settings: ConnectionMemory["settings"] & Pick<Settings, "maxConnections">;
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

/** Returns the maximum number of subscriptions to channels beside the maximum numbers of connections and channels. */
export function subscriptionsThatFit(task: SubscriptionMemory): number {
  const { memoryMiB, settings } = task;
  const { maxConnections, maxChannels } = settings;
  const channels = Math.max(0, maxChannels - maxConnections);
  const reserved = maxConnections * CONNECTION_BYTES + channels * CHANNEL_BYTES;
  const left = memoryMiB * MIB - cacheBytes(task) - serverBytes(settings) - reserved;
  const further = Math.max(0, Math.floor((SUBSCRIPTIONS_SHARE * left) / SUBSCRIPTION_BYTES));
  return Math.min(
    maxConnections * SUBSCRIPTIONS_PER_CONNECTION + further,
    settingDefinitions.maxSubscriptions.max,
  );
}
