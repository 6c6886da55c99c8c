/** The messages of a run. They differ only in the publisher's number and the sequence number. */
import { clientFrame, maskAt, serverFrame } from "./frames.ts";
import type { Protocol } from "./protocols.ts";

const PUBLISHER_DIGITS = 2;
const SEQUENCE_DIGITS = 10;

const FILLING = "abcdefghijklmnopqrstuvwxyz0123456789 ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const ZERO = "0".charCodeAt(0);

export interface MessageId {
  readonly publisher: number;
  /** Number of the message among its publisher's, from 0. */
  readonly sequence: number;
}

export interface Template {
  /** A new frame that publishes a message. */
  publication(publisher: number, sequence: number): Buffer;
  /**
   * Identifies the message of a server's frame.
   * @returns `undefined` if any byte differs from the expected frame.
   */
  identify(bytes: Buffer, start: number, end: number): MessageId | undefined;
  /** Size of a frame that delivers a message. */
  readonly deliveryBytes: number;
}

/** @param bytes size of a message's JSON text. */
export function createTemplate({ publish, delivery }: Protocol, bytes: number): Template {
  const empty = message("");
  if (bytes < empty.length)
    throw new RangeError(`A message has at least ${empty.length} bytes, not ${bytes}.`);
  const text = message(FILLING.repeat(Math.ceil(bytes / FILLING.length)).slice(0, bytes - empty.length));
  const publisherAt = text.indexOf("0");
  const sequenceAt = text.indexOf("0", publisherAt + PUBLISHER_DIGITS);

  const publication = clientFrame(Buffer.from(publish[0] + text + publish[1]));
  const publicationPayload = publication.length - publish.join("").length - bytes;
  const publicationText = publicationPayload + publish[0].length;

  const expected = serverFrame(Buffer.from(delivery[0] + text + delivery[1]));
  const deliveryText = expected.length - bytes - delivery[1].length;

  return {
    deliveryBytes: expected.length,
    publication(publisher, sequence) {
      const frame = Buffer.from(publication);
      writeDigits(frame, publicationText + publisherAt, PUBLISHER_DIGITS, publisher, publicationPayload);
      writeDigits(frame, publicationText + sequenceAt, SEQUENCE_DIGITS, sequence, publicationPayload);
      return frame;
    },
    identify(received, start, end) {
      if (end - start !== expected.length) return undefined;
      const publisher = readDigits(received, start + deliveryText + publisherAt, PUBLISHER_DIGITS);
      const sequence = readDigits(received, start + deliveryText + sequenceAt, SEQUENCE_DIGITS);
      writeDigits(expected, deliveryText + publisherAt, PUBLISHER_DIGITS, publisher);
      writeDigits(expected, deliveryText + sequenceAt, SEQUENCE_DIGITS, sequence);
      return expected.compare(received, start, end) === 0 ? { publisher, sequence } : undefined;
    },
  };
}

function message(filling: string): string {
  return JSON.stringify({
    p: "0".repeat(PUBLISHER_DIGITS),
    s: "0".repeat(SEQUENCE_DIGITS),
    d: filling,
  });
}

/** @param maskedFrom index of the masked payload; `undefined` for an unmasked frame. */
function writeDigits(bytes: Buffer, at: number, digits: number, value: number, maskedFrom?: number): void {
  let rest = value;
  for (let index = at + digits - 1; index >= at; index--) {
    const character = ZERO + (rest % 10);
    bytes[index] = maskedFrom === undefined ? character : character ^ maskAt(index - maskedFrom);
    rest = Math.floor(rest / 10);
  }
}

/** Other characters than digits result in some number: the comparison of all bytes then fails. */
function readDigits(bytes: Buffer, at: number, digits: number): number {
  let value = 0;
  for (let index = at; index < at + digits; index++)
    value = value * 10 + (Math.abs((bytes[index] ?? 0) - ZERO) % 10);
  return value;
}
