/** The frames of a run. They differ only in the publisher's number, the sequence number and the offset. */
import { randomBytes } from "node:crypto";

import { clientFrame, maskAt, serverFrame } from "../frames.ts";
import { DEFAULT_CHANNEL, fill } from "../protocols.ts";
import type { Protocol } from "../protocols.ts";

/** Each mark is the place of a digit. */
const MARKS = { publisher: "\u0001", sequence: "\u0002", offset: "\u0003" } as const;
const PUBLISHER_DIGITS = 2;
const SEQUENCE_DIGITS = 10;
const MAX_OFFSET_DIGITS = 15;
const PUBLISHER_MARKS = MARKS.publisher.repeat(PUBLISHER_DIGITS);
const SEQUENCE_MARKS = MARKS.sequence.repeat(SEQUENCE_DIGITS);
/** The ids differ from those of the previous run, which the servers still have. */
const RUN_ID_BYTES = 6;

const FILLING = "abcdefghijklmnopqrstuvwxyz0123456789 ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const ZERO = "0".charCodeAt(0);

export interface MessageId {
  readonly publisher: number;
  /** Number of the message among its publisher's, from 0. */
  readonly sequence: number;
}

/** A message at its place in the log. */
export interface Stored extends MessageId {
  /** `undefined` if the protocol has no offsets. */
  readonly offset: number | undefined;
}

export interface Template {
  readonly deliveries: Numbered;
  /** Size of the largest frame that delivers a message. */
  readonly maxDeliveryBytes: number;
  /** A new frame that publishes a message. */
  publication(publisher: number, sequence: number): Buffer;
  /** The texts of the acknowledgements; `undefined` if the protocol has none. */
  acknowledgements(epoch: string): Numbered | undefined;
}

/** @param bytes size of a message's JSON text. */
export function createTemplate(protocol: Protocol, bytes: number): Template {
  const empty = message("");
  if (bytes < empty.length)
    throw new RangeError(`A message has at least ${empty.length} bytes, not ${bytes}.`);
  const values = {
    CHANNEL: DEFAULT_CHANNEL,
    MESSAGE: message(FILLING.repeat(Math.ceil(bytes / FILLING.length)).slice(0, bytes - empty.length)),
    ID: randomBytes(RUN_ID_BYTES).toString("hex") + PUBLISHER_MARKS + SEQUENCE_MARKS,
  };
  const text = fill(protocol.publish, values);
  const publication = clientFrame(Buffer.from(text));
  const payloadAt = publication.length - text.length;
  const publisherAt = placesOf(text, MARKS.publisher, PUBLISHER_DIGITS);
  const sequenceAt = placesOf(text, MARKS.sequence, SEQUENCE_DIGITS);
  const deliveries = new Numbered(fill(protocol.delivery, values), serverFrame);

  return {
    deliveries,
    maxDeliveryBytes: deliveries.maxBytes,
    publication(publisher, sequence) {
      const frame = Buffer.from(publication);
      for (const at of publisherAt)
        writeDigits(frame, payloadAt + at, PUBLISHER_DIGITS, publisher, payloadAt);
      for (const at of sequenceAt) writeDigits(frame, payloadAt + at, SEQUENCE_DIGITS, sequence, payloadAt);
      return frame;
    },
    acknowledgements: (epoch) =>
      protocol.acknowledgement === undefined
        ? undefined
        : new Numbered(fill(protocol.acknowledgement, { ...values, EPOCH: epoch }), (payload) => payload),
  };
}

interface Form {
  readonly bytes: Buffer;
  readonly publisherAt: readonly number[];
  readonly sequenceAt: readonly number[];
  readonly offsetAt: number;
  readonly offsetDigits: number;
}

/** Texts that differ only in their numbers. */
export class Numbered {
  /** By size, which depends on the digits of the offset. */
  readonly #forms: ReadonlyMap<number, Form>;
  readonly maxBytes: number;

  /** @param layout with marks, and the placeholder of the offset if there is one. */
  constructor(layout: string, wrap: (payload: Buffer) => Buffer) {
    const digits = layout.includes("OFFSET") ? MAX_OFFSET_DIGITS : 0;
    const forms = Array.from({ length: Math.max(1, digits) }, (_, index) =>
      formOf(layout, digits === 0 ? 0 : index + 1, wrap),
    );
    this.#forms = new Map(forms.map((form) => [form.bytes.length, form]));
    this.maxBytes = Math.max(...this.#forms.keys());
  }

  /**
   * Identifies a message.
   * @returns `undefined` if any byte differs from the expected text.
   */
  identify(received: Buffer, start: number, end: number): Stored | undefined {
    const form = this.#forms.get(end - start);
    if (form === undefined) return undefined;
    const publisher = readDigits(received, start + (form.publisherAt[0] ?? 0), PUBLISHER_DIGITS);
    const sequence = readDigits(received, start + (form.sequenceAt[0] ?? 0), SEQUENCE_DIGITS);
    const { offsetDigits } = form;
    const offset = offsetDigits === 0 ? undefined : readDigits(received, start + form.offsetAt, offsetDigits);
    write(form, publisher, sequence, offset);
    return form.bytes.compare(received, start, end) === 0 ? { publisher, sequence, offset } : undefined;
  }

  /** Returns a new text. */
  text({ publisher, sequence, offset }: Stored): Buffer {
    const digits = offset === undefined ? 0 : String(offset).length;
    for (const form of this.#forms.values()) {
      if (form.offsetDigits !== digits) continue;
      write(form, publisher, sequence, offset);
      return Buffer.from(form.bytes);
    }
    throw new RangeError(`The text has no offset like ${String(offset)}.`);
  }
}

/** The marks are control characters, which JSON would escape. */
function message(filling: string): string {
  return `{"p":"${PUBLISHER_MARKS}","s":"${SEQUENCE_MARKS}","d":${JSON.stringify(filling)}}`;
}

function formOf(layout: string, offsetDigits: number, wrap: (payload: Buffer) => Buffer): Form {
  const text = fill(layout, { OFFSET: MARKS.offset.repeat(offsetDigits) });
  const bytes = wrap(Buffer.from(text));
  const header = bytes.length - text.length;
  const inFrame = (places: readonly number[]) => places.map((place) => header + place);
  return {
    bytes,
    publisherAt: inFrame(placesOf(text, MARKS.publisher, PUBLISHER_DIGITS)),
    sequenceAt: inFrame(placesOf(text, MARKS.sequence, SEQUENCE_DIGITS)),
    offsetAt: header + text.indexOf(MARKS.offset),
    offsetDigits,
  };
}

function write(form: Form, publisher: number, sequence: number, offset: number | undefined): void {
  const { bytes, publisherAt, sequenceAt, offsetAt, offsetDigits } = form;
  for (const at of publisherAt) writeDigits(bytes, at, PUBLISHER_DIGITS, publisher);
  for (const at of sequenceAt) writeDigits(bytes, at, SEQUENCE_DIGITS, sequence);
  if (offset !== undefined) writeDigits(bytes, offsetAt, offsetDigits, offset);
}

/** Returns where each number of such marks begins. All characters have one byte. */
function placesOf(text: string, mark: string, digits: number): readonly number[] {
  const marks = mark.repeat(digits);
  const places: number[] = [];
  for (let at = text.indexOf(marks); at !== -1; at = text.indexOf(marks, at + digits)) places.push(at);
  return places;
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
