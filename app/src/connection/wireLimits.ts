/** Limits that protect a task from its clients, whatever its settings. */
import type { HeldBytesLimits } from "./heldBytes.ts";
import type { UntakenBytesLimits } from "./untakenBytes.ts";

export interface WireLimits extends HeldBytesLimits, UntakenBytesLimits {
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
  maxUntakenBytes: 32 * MIB,
  writeTimeoutMs: 60_000,
};

/** Slowest rate at which a large message may arrive, or be read. */
const MIN_BYTES_PER_SECOND = 16 * 1024;

/** Messages of the largest size that clients may all be in the middle of reading. */
const UNTAKEN_MESSAGES = 8;

/** Messages of the largest size have more time, and more memory on their way out, if they need that. */
export function wireLimits({ maxPayloadBytes }: { readonly maxPayloadBytes: number }): WireLimits {
  const largestMs = (maxPayloadBytes / MIN_BYTES_PER_SECOND) * 1000;
  return {
    ...WIRE_LIMITS,
    maxUntakenBytes: Math.max(WIRE_LIMITS.maxUntakenBytes, UNTAKEN_MESSAGES * maxPayloadBytes),
    messageTimeoutMs: Math.max(WIRE_LIMITS.messageTimeoutMs, largestMs),
    writeTimeoutMs: Math.max(WIRE_LIMITS.writeTimeoutMs, largestMs),
  };
}
