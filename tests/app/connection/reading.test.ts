/** Reading of one socket in parts of the tests' choice. */
import assert from "node:assert/strict";
import { Duplex } from "node:stream";
import { setImmediate as nextTurn } from "node:timers/promises";

import { HeldBytes } from "../../../app/src/connection/heldBytes.ts";
import { ReadTurns } from "../../../app/src/connection/readTurns.ts";
import { SocketReader } from "../../../app/src/connection/webSocket/socketReader.ts";
import type { SocketHandler } from "../../../app/src/connection/webSocket/socketReader.ts";
import { WIRE_LIMITS } from "../../../app/src/connection/wireLimits.ts";
import { Opcode } from "../../../app/src/wire/frame.ts";
import { clientFrame } from "../support/rawClient.ts";

/** What Node reads from a socket at once. */
const CHUNK_BYTES = 64 * 1024;
const HEADER_BYTES = 8;

class Handler implements SocketHandler {
  readonly user = {};
  readonly reader: SocketReader;
  messages = 0;
  onMessage: () => void = () => undefined;

  constructor(held: HeldBytes) {
    const socket = new Duplex({ read: () => undefined });
    // The reader pauses and resumes it only.
    this.reader = new SocketReader(socket as never, CHUNK_BYTES, this, { held, reads: new ReadTurns() });
  }

  get isPaused(): boolean {
    return this.reader.isPaused;
  }

  chargeFrame(): boolean {
    return true;
  }

  onPayload(): void {
    this.messages += 1;
    this.onMessage();
  }

  onPing(): void {
    assert.fail();
  }

  onCloseFrame(): void {
    assert.fail();
  }

  onMalformedFrame(): void {
    assert.fail();
  }

  onTooMuchHeld(): void {
    assert.fail();
  }

  onHeldTooLong(): void {
    assert.fail();
  }
}

describe("reading of a socket", () => {
  it("holds nothing after a pause at the end of a chunk", async () => {
    const held = new HeldBytes(WIRE_LIMITS);
    try {
      const handler = new Handler(held);
      const frame = clientFrame(Opcode.text, "x".repeat(CHUNK_BYTES - HEADER_BYTES));
      assert.equal(frame.length, CHUNK_BYTES);
      handler.onMessage = () => {
        handler.reader.pause();
      };
      handler.reader.read(frame);
      assert.equal(handler.messages, 1);
      handler.reader.resume();
      await nextTurn();
      // A client that holds bytes for long is closed.
      assert.equal(held.total, 0);
    } finally {
      held.stop();
    }
  });
});
