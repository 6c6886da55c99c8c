import assert from "node:assert/strict";

import fc from "fast-check";

import { mask, OPCODES, serverFrame } from "../../../bench/generator/frames.ts";
import { PROTOCOLS } from "../../../bench/generator/protocols.ts";
import { createTemplate } from "../../../bench/generator/broadcast/template.ts";
import { Receiver, Verifier } from "../../../bench/generator/broadcast/verifier.ts";
import { VoidError } from "../../../bench/generator/received.ts";

const MESSAGE_BYTES = 64;
const RECEIVERS = 3;
const PUBLISHERS = 2;
const WINDOW = 4;
const MESSAGES = PUBLISHERS * WINDOW;
const PING = serverFrame(Buffer.from("ping"), OPCODES.ping);

const template = createTemplate(PROTOCOLS.plain, MESSAGE_BYTES);
const { d } = JSON.parse(textOf(template.publication(0, 0))) as { d: string };

/** The frames of all messages in the order of publishing. */
const frames = Array.from({ length: MESSAGES }, (_, index) => {
  const p = String(index % PUBLISHERS).padStart(2, "0");
  const s = String(Math.floor(index / PUBLISHERS)).padStart(10, "0");
  return serverFrame(Buffer.from(`{"message":${JSON.stringify({ p, s, d })}}`));
});

/** Where the reads of each receiver end, as fractions of the stream, and the order of the reads. */
const reads = fc.record({
  cuts: fc.array(fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 6 }), {
    minLength: RECEIVERS,
    maxLength: RECEIVERS,
  }),
  turns: fc.array(fc.nat(RECEIVERS - 1), { maxLength: 30 }),
});

/** @returns the number of complete messages, and that of pings. */
function verify(
  streams: readonly Buffer[],
  { cuts, turns }: { cuts: readonly (readonly number[])[]; turns: readonly number[] },
): { completed: number; pings: number; diverged: number } {
  const verifier = new Verifier({
    template,
    receivers: RECEIVERS,
    publishers: PUBLISHERS,
    window: WINDOW,
    hasAcknowledgements: false,
    onDelivery: () => undefined,
    onComplete: () => undefined,
  });
  for (let index = 0; index < MESSAGES; index++) verifier.publish(index % PUBLISHERS, 0);
  let pings = 0;
  const pending = streams.map((stream, index) => chunks(stream, cuts[index] ?? []));
  const receivers = streams.map(() => new Receiver());
  const rest = pending.flatMap((each, index) => each.map(() => index));
  for (const turn of [...turns, ...rest]) {
    const receiver = receivers[turn];
    const bytes = pending[turn]?.shift();
    if (receiver === undefined || bytes === undefined) continue;
    verifier.receive(receiver, bytes, (opcode) => {
      pings++;
      return opcode === OPCODES.ping;
    });
  }
  return { completed: verifier.completed, pings, diverged: verifier.diverged };
}

describe("the benchmark's verifier", () => {
  it("accepts all messages with any reads and pings", () => {
    fc.assert(
      fc.property(
        reads,
        fc.array(fc.nat(MESSAGES), { minLength: RECEIVERS, maxLength: RECEIVERS }),
        (how, at) => {
          const streams = at.map((index) => Buffer.concat(frames.toSpliced(index, 0, PING)));
          assert.deepEqual(verify(streams, how), { completed: MESSAGES, pings: RECEIVERS, diverged: 0 });
        },
      ),
    );
  });

  it("accepts other orders that keep each publisher's order", () => {
    fc.assert(
      fc.property(reads, fc.nat(MESSAGES - 2), (how, at) => {
        // Neighbours are of different publishers.
        const swapped = frames.with(at, frames[at + 1] ?? PING).with(at + 1, frames[at] ?? PING);
        const streams = [frames, swapped, frames].map((each) => Buffer.concat(each));
        const { completed, diverged } = verify(streams, how);
        assert.equal(completed, MESSAGES);
        // If the swapped stream is the first one, the other two diverge.
        assert.ok(diverged === 1 || diverged === 2);
      }),
    );
  });

  it("rejects a stream with an altered byte, a missing message or a repeated one", () => {
    const whole = Buffer.concat(frames);
    const wrong = fc.oneof(
      fc.tuple(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 })).map(([index, change]) => {
        const altered = Buffer.from(whole);
        altered[index] = (altered[index] ?? 0) ^ change;
        return altered;
      }),
      fc.nat(MESSAGES - 1).map((index) => Buffer.concat(frames.toSpliced(index, 1))),
      fc.nat(MESSAGES - 1).map((index) => Buffer.concat(frames.toSpliced(index, 0, frames[index] ?? PING))),
    );
    fc.assert(
      fc.property(reads, wrong, fc.nat(RECEIVERS - 1), (how, stream, receiver) => {
        try {
          const { completed } = verify([whole, whole, whole].with(receiver, stream), how);
          // A message that is missing at the end, or an endless frame, cannot be detected.
          assert.ok(completed < MESSAGES);
        } catch (error) {
          assert.ok(error instanceof VoidError, String(error));
        }
      }),
    );
  });
});

describe("the benchmark's verifier of a protocol with offsets", () => {
  const numbered = createTemplate(PROTOCOLS["channels.v1"], MESSAGE_BYTES);
  /** The number of digits changes among these offsets. */
  const AFTER = 5;
  const order = Array.from({ length: MESSAGES }, (_, index) => ({
    publisher: index % PUBLISHERS,
    sequence: Math.floor(index / PUBLISHERS),
    offset: AFTER + 1 + index,
  }));
  const deliveries = order.map((stored) => numbered.deliveries.text(stored));

  function begin(): Verifier {
    const verifier = new Verifier({
      template: numbered,
      receivers: RECEIVERS,
      publishers: PUBLISHERS,
      window: WINDOW,
      hasAcknowledgements: true,
      onDelivery: () => undefined,
      onComplete: () => undefined,
    });
    verifier.startAfter(AFTER);
    for (const { publisher } of order) verifier.publish(publisher, 0);
    return verifier;
  }

  function deliver(verifier: Verifier, parts: readonly Buffer[]): void {
    const receiver = new Receiver();
    for (const part of parts) verifier.receive(receiver, part, () => false);
  }

  it("completes a message with its acknowledgement and all deliveries, in any order", () => {
    fc.assert(
      fc.property(fc.nat(RECEIVERS), reads, (before, { cuts }) => {
        const verifier = begin();
        const whole = Buffer.concat(deliveries);
        for (let receiver = 0; receiver < RECEIVERS; receiver++) {
          if (receiver === before) for (const stored of order) verifier.acknowledge(stored);
          assert.equal(verifier.completed, 0);
          deliver(verifier, chunks(whole, cuts[receiver] ?? []));
        }
        if (before === RECEIVERS) for (const stored of order) verifier.acknowledge(stored);
        assert.equal(verifier.completed, MESSAGES);
      }),
    );
  });

  it("rejects offsets with a hole, and another order than that of the first receiver", () => {
    const wrong = order.map((stored, index) =>
      numbered.deliveries.text({ ...stored, offset: AFTER + 2 + index }),
    );
    assert.throws(() => {
      deliver(begin(), wrong);
    }, /hole/);
    const [first, second, ...rest] = order;
    assert.ok(first && second);
    const swapped = [{ ...second, offset: first.offset }, { ...first, offset: second.offset }, ...rest].map(
      (stored) => numbered.deliveries.text(stored),
    );
    const verifier = begin();
    deliver(verifier, deliveries);
    assert.throws(() => {
      deliver(verifier, swapped);
    }, VoidError);
  });

  it("rejects an acknowledgement that is repeated, out of order, or has another offset than the message", () => {
    const [first, second] = order;
    assert.ok(first && second);
    const verifier = begin();
    verifier.acknowledge(first);
    assert.throws(() => {
      verifier.acknowledge(first);
    }, /twice/);
    assert.throws(() => {
      verifier.acknowledge({ ...second, sequence: 1 });
    }, /out of order/);
    verifier.acknowledge({ ...second, offset: second.offset + 1 });
    assert.throws(() => {
      deliver(verifier, deliveries);
    }, /wrong offset/);
  });
});

function chunks(stream: Buffer, parts: readonly number[]): Buffer[] {
  const ends = [...parts.map((part) => Math.round(part * stream.length)), stream.length].toSorted(
    (a, b) => a - b,
  );
  return ends
    .map((end, index) => stream.subarray(ends[index - 1] ?? 0, end))
    .filter(({ length }) => length > 0);
}

/** The payload is the end of the frame. */
function textOf(publication: Buffer): string {
  const start = publication.length - MESSAGE_BYTES;
  mask(publication, start);
  return publication.toString("utf8", start);
}
