import type { Socket } from "node:net";
import { Duplex } from "node:stream";

import { frameEnd, Opcode, payloadStart } from "../../../../app/src/wire/frame.ts";
import { clientFrame } from "../../support/rawClient.ts";

/** The server's end of a connection, and its client, which can stop to read. */
export class ModelSocket extends Duplex {
  bytesRead = 0;
  /** Called with the text of each message. */
  onText: (text: string) => void = () => undefined;
  /** Code of the server's Close frame. */
  closeCode: number | undefined;
  #response = Buffer.alloc(0);
  #rest = Buffer.alloc(0);
  #isBlocked = false;
  #blocked: (() => void) | undefined;

  /** The socket as the server uses it. */
  get asSocket(): Socket {
    return this as unknown as Socket;
  }

  /** Sends a text message. */
  send(value: unknown): void {
    if (this.closeCode === undefined) this.#receive(clientFrame(Opcode.text, JSON.stringify(value)));
  }

  /** Lets the client read nothing. */
  block(): void {
    this.#isBlocked = true;
  }

  unblock(): void {
    this.#isBlocked = false;
    const blocked = this.#blocked;
    this.#blocked = undefined;
    blocked?.();
  }

  override _read(): void {
    // The client sends by itself.
  }

  override _write(chunk: Buffer, _encoding: string, onWritten: () => void): void {
    const write = (): void => {
      this.#take(chunk);
      onWritten();
    };
    if (this.#isBlocked) this.#blocked = write;
    else write();
  }

  override _final(onFinished: () => void): void {
    onFinished();
    this.push(null);
  }

  #receive(bytes: Buffer): void {
    this.bytesRead += bytes.length;
    this.push(bytes);
  }

  #take(chunk: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    if (this.#response.length === 0) {
      const end = this.#rest.indexOf("\r\n\r\n") + 4;
      if (end < 4) return;
      this.#response = this.#rest.subarray(0, end);
      this.#rest = this.#rest.subarray(end);
    }
    // A write has whole frames.
    let at = 0;
    while (at < this.#rest.length) {
      const [start, end] = [payloadStart(this.#rest, at), frameEnd(this.#rest, at)];
      this.#takeFrame((this.#rest[at] ?? 0) & 0x0f, this.#rest.subarray(start, end));
      at = end;
    }
    this.#rest = this.#rest.subarray(at);
  }

  #takeFrame(opcode: number, payload: Buffer): void {
    if (opcode === Opcode.text) this.onText(payload.toString());
    if (opcode !== Opcode.close) return;
    this.closeCode = payload.length < 2 ? 1005 : payload.readUInt16BE(0);
    this.#receive(clientFrame(Opcode.close, payload));
  }
}
