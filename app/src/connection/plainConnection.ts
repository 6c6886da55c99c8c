import type { Socket } from "node:net";

import type { Rights } from "../auth/authorize.ts";
import type { Cursor, Joined, Listener } from "../channel/cursor.ts";
import { CloseCode } from "../wire/closeCode.ts";
import { encode } from "../wire/encode.ts";
import { textFrame } from "../wire/frame.ts";
import { parse } from "../wire/parse.ts";
import type { Dialect, ErrorBody } from "../wire/messages.ts";
import { Connection } from "./connection.ts";
import type { ClientIdentity, ConnectionContext } from "./connectionContext.ts";
import { isError } from "./publishes.ts";
import type { PublishResult } from "./publishes.ts";

/** Maximum size of a `resume` client's frame in addition to the published value: keys, and an id in escapes. */
const ENVELOPE_BYTES = 1024;

const PLAIN_GREETING = textFrame(encode({ connection: "ok" }));

/** One client in one channel, in the dialects `plain` and `resume`. */
export class PlainConnection extends Connection implements Listener {
  readonly dialect: Exclude<Dialect, "channels">;
  readonly #channel: string;
  readonly #rights: Rights;
  #cursor: Cursor | undefined;

  /** Neither reads nor writes before {@link start}. The user must have entered the channel. */
  constructor(
    socket: Socket,
    channel: string,
    dialect: Exclude<Dialect, "channels">,
    rights: Rights,
    client: ClientIdentity,
    context: ConnectionContext,
  ) {
    const { maxPayloadBytes } = context.settings;
    super(socket, maxPayloadBytes + (dialect === "plain" ? 0 : ENVELOPE_BYTES), client, context);
    this.dialect = dialect;
    this.#channel = channel;
    this.#rights = rights;
  }

  /**
   * Accepts the upgrade, sends the greeting, and begins to deliver and to read.
   * @param response the response to the upgrade request.
   * @param head bytes that arrived with the upgrade request.
   */
  start(response: string, { cursor, epoch, offset, gap }: Joined, head: Buffer): void {
    if (this.#rights.canSubscribe) this.#cursor = cursor;
    else cursor.close();
    if (this.dialect === "resume") {
      const { heartbeatSeconds: heartbeat } = this.context.settings;
      this.answer({ connection: "ok", epoch, offset, heartbeat });
      if (gap !== undefined) this.answer({ gap });
    }
    this.begin(response, head);
  }

  onReadable(): void {
    this.deliver();
  }

  onMessage(text: string | undefined): void {
    const { settings, metrics } = this.context;
    metrics.counts.received += 1;
    const message = parse(text, this.dialect, settings.maxPayloadBytes);
    if (message.kind === "invalid") {
      this.#refuse(message.error);
      return;
    }
    const { json, id } = message;
    if (!this.#rights.canPublish) {
      this.#settle(id, FORBIDDEN);
      return;
    }
    this.publish({ channel: this.#channel, json, id }, (result) => {
      this.#settle(id, result);
    });
  }

  protected get waiting(): number {
    return this.publishing;
  }

  protected greet(): void {
    const greeting = this.dialect === "plain" ? PLAIN_GREETING : this.takeAnswers();
    if (greeting !== undefined) this.webSocket.write(greeting);
  }

  /** Writes from the cursor to the end of the channel, as far as the socket accepts it. */
  protected deliver(): void {
    const { webSocket } = this;
    if (!webSocket.open) {
      // Nothing more is written. An open cursor would keep frames in memory until the peer has gone.
      this.#closeCursor();
      return;
    }
    if (this.#closeIfLost() || !webSocket.writable) return;
    const answers = this.takeAnswers();
    if (answers !== undefined && !webSocket.write(answers)) return;
    const { counts } = this.context.metrics;
    for (let slice = this.#cursor?.read(); slice !== undefined; slice = this.#cursor?.read()) {
      counts.deliveries += slice.frames;
      counts.deliveredBytes += slice.bytes.length;
      if (!webSocket.write(slice.bytes)) return;
    }
    if (this.#closeIfLost()) return;
    // The cursor may wait for the log. It is called then.
    if (this.#cursor?.isAtEnd !== false) this.leaveIfDone();
  }

  protected release(): void {
    this.#closeCursor();
    this.user.exit(this.#channel);
  }

  /** @returns whether the connection is closed, because the log has dropped the client's next message. */
  #closeIfLost(): boolean {
    if (this.#cursor?.isLost !== true) return false;
    this.webSocket.close(CloseCode.tryAgainLater, "reads too slowly");
    return true;
  }

  #closeCursor(): void {
    this.#cursor?.close();
    this.#cursor = undefined;
  }

  #settle(id: string | undefined, result: PublishResult): void {
    if (isError(result)) {
      this.#refuse(id === undefined ? result : { ...result, id });
      return;
    }
    if (id === undefined) return;
    const { epoch, offset, duplicate } = result;
    this.answer(duplicate ? { ack: id, epoch, offset, duplicate } : { ack: id, epoch, offset });
  }

  #refuse(error: ErrorBody): void {
    this.context.metrics.count("publishesRefused", error.code);
    this.answer({ error });
  }
}

const FORBIDDEN: ErrorBody = { code: "forbidden", message: "The token does not allow publishing." };
