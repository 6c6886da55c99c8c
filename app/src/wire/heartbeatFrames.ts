import { encode } from "./encode.ts";
import { controlFrame, Opcode, textFrame } from "./frame.ts";
import type { Dialect } from "./messages.ts";

/** What a heartbeat writes, by dialect. All connections share the bytes, and a heartbeat is one write. */
export type HeartbeatFrames = Readonly<Record<Dialect, Buffer>>;

/** @param intervalSeconds time between two heartbeats of a connection. */
export function createHeartbeatFrames(intervalSeconds: number): HeartbeatFrames {
  const plain = controlFrame(Opcode.ping, Buffer.alloc(0));
  // Browsers do not report pings to their pages.
  const channels = Buffer.concat([plain, textFrame(encode({ heartbeat: intervalSeconds }))]);
  return { plain, channels };
}
