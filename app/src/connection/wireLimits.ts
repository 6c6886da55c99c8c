/** Limits that protect a task from its clients and that no setting changes. */
import type { HeldBytesLimits } from "./heldBytes.ts";
import type { UntakenBytesLimits } from "./untakenBytes.ts";

export interface WireLimits extends HeldBytesLimits, UntakenBytesLimits {
  /** Maximum size of all publishes of a task that the log has not answered yet. Further ones are refused as `unavailable`. */
  readonly maxUnansweredBytes: number;
  /** Time in which a client must read the bytes that wait in its socket: about 64 KiB, or one message. */
  readonly writeTimeoutMs: number;
  /** Time in which the headers of an HTTP request must arrive. */
  readonly requestTimeoutMs: number;
  /** Time in which a whole HTTP request must arrive. */
  readonly bodyTimeoutMs: number;
}

const MIB = 1024 * 1024;

export const WIRE_LIMITS: WireLimits = {
  maxHeldBytes: 32 * MIB,
  messageTimeoutMs: 30_000,
  maxUnansweredBytes: 32 * MIB,
  maxUntakenBytes: 32 * MIB,
  writeTimeoutMs: 60_000,
  requestTimeoutMs: 10_000,
  // A batch at the minimum rate.
  bodyTimeoutMs: 64_000,
};

/** Minimum rate at which a large message must arrive, or be read. */
const MIN_BYTES_PER_SECOND = 16 * 1024;

/** Messages of the maximum size that must fit into `maxUntakenBytes`. */
const UNTAKEN_MESSAGES = 8;

/** Returns {@link WIRE_LIMITS}, with more time and more memory if messages of the maximum size need it. */
export function deriveWireLimits({ maxPayloadBytes }: { readonly maxPayloadBytes: number }): WireLimits {
  const largestMs = (maxPayloadBytes / MIN_BYTES_PER_SECOND) * 1000;
  return {
    ...WIRE_LIMITS,
    maxUntakenBytes: Math.max(WIRE_LIMITS.maxUntakenBytes, UNTAKEN_MESSAGES * maxPayloadBytes),
    messageTimeoutMs: Math.max(WIRE_LIMITS.messageTimeoutMs, largestMs),
    writeTimeoutMs: Math.max(WIRE_LIMITS.writeTimeoutMs, largestMs),
    bodyTimeoutMs: Math.max(WIRE_LIMITS.bodyTimeoutMs, largestMs),
  };
}
