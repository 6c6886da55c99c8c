/** Limits that protect a task from its clients, whatever its settings. */
import type { HeldBytesLimits } from "./heldBytes.ts";

export interface WireLimits extends HeldBytesLimits {
  /** Most bytes of all publishes of a task whose answer is not known yet; further ones are refused as `unavailable`. */
  readonly maxUnansweredBytes: number;
  /** Time in which a client must read what waits in its socket: about 64 KiB, or one message. */
  readonly writeTimeoutMs: number;
}

const MIB = 1024 * 1024;

export const WIRE_LIMITS: WireLimits = {
  maxHeldBytes: 32 * MIB,
  messageTimeoutMs: 30_000,
  maxUnansweredBytes: 32 * MIB,
  writeTimeoutMs: 60_000,
};

/** Slowest rate at which a large message may arrive, or be read. */
const MIN_BYTES_PER_SECOND = 16 * 1024;

/** A message of the largest size has more time if it needs that. */
export function wireLimits({ maxPayloadBytes }: { readonly maxPayloadBytes: number }): WireLimits {
  const largestMs = (maxPayloadBytes / MIN_BYTES_PER_SECOND) * 1000;
  return {
    ...WIRE_LIMITS,
    messageTimeoutMs: Math.max(WIRE_LIMITS.messageTimeoutMs, largestMs),
    writeTimeoutMs: Math.max(WIRE_LIMITS.writeTimeoutMs, largestMs),
  };
}
