/** What the generator has received: whole frames, or a reason for which a run has no figures. */
import { readFrame } from "./frames.ts";
import type { Frame } from "./frames.ts";

/** The server lost, repeated or altered a message. The run has no figures. */
export class VoidError extends Error {
  override readonly name = "VoidError";
}

/** The server, or this generator, does not keep up with the rate. */
export class NotSustainedError extends Error {
  override readonly name = "NotSustainedError";
}

const EXCERPT_BYTES = 100;

/**
 * Reads all whole frames.
 * @param onFrame receives each frame and the index of its first byte, and returns whether the frame is expected.
 * @returns a copy of the bytes after them; `undefined` if there are none.
 * @throws {VoidError} if a frame is not expected, or violates RFC 6455.
 */
export function readFrames(
  bytes: Buffer,
  onFrame: (frame: Frame, start: number) => boolean,
): Buffer | undefined {
  let at = 0;
  for (let frame = readWhole(bytes, at); frame !== undefined; frame = readWhole(bytes, at)) {
    if (!onFrame(frame, at))
      throw new VoidError(`a frame is not one of the sent messages: ${excerpt(bytes, frame)}`);
    at = frame.end;
  }
  return at < bytes.length ? Buffer.from(bytes.subarray(at)) : undefined;
}

function readWhole(bytes: Buffer, at: number): Frame | undefined {
  try {
    return readFrame(bytes, at);
  } catch (error) {
    throw new VoidError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

function excerpt(bytes: Buffer, { payload, end }: Frame): string {
  return JSON.stringify(bytes.toString("utf8", payload, Math.min(end, payload + EXCERPT_BYTES)));
}
