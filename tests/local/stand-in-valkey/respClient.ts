import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";

/** A command in RESP2. */
export function encodeCommand(...words: readonly string[]): string {
  return `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join("")}`;
}

/** Sends one command after the other. A reply is everything that has arrived when the first bytes do. */
export class RespClient implements Disposable {
  readonly socket: Socket;
  #received = "";

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setEncoding("utf8");
    socket.on("error", () => undefined);
    socket.on("data", (text: string) => (this.#received += text));
  }

  static async connect({ port }: { readonly port: number }): Promise<RespClient> {
    const socket = connect(port, "127.0.0.1");
    await once(socket, "connect");
    return new RespClient(socket);
  }

  static async authorized(
    to: { readonly port: number },
    { name, password }: { readonly name: string; readonly password: string },
  ): Promise<RespClient> {
    const client = await RespClient.connect(to);
    assert.match(await client.ask("AUTH", name, password), /^\+OK/);
    return client;
  }

  async ask(...words: readonly string[]): Promise<string> {
    this.socket.write(encodeCommand(...words));
    return this.read(1);
  }

  /** Resolves with the received text when it has at least this length. */
  async read(length: number): Promise<string> {
    while (this.#received.length < length) await once(this.socket, "data");
    const received = this.#received;
    this.#received = "";
    return received;
  }

  /** Sends one command, and resolves with its reply if that is the expected one. */
  async expect(words: readonly string[], reply: string): Promise<void> {
    this.socket.write(encodeCommand(...words));
    let received = await this.read(1);
    while (received !== reply && reply.startsWith(received)) received += await this.read(1);
    assert.equal(received, reply, words.join(" "));
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}
