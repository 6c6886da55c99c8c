import type { Socket } from "node:net";

import type { Rights } from "../auth/authorize.ts";
import type { Cursor, Joined, Listener } from "../channel/cursor.ts";
import { toWireName } from "../wire/channelName.ts";
import { CloseCode } from "../wire/closeCode.ts";
import { encode } from "../wire/encode.ts";
import { textFrame } from "../wire/frame.ts";
import { codeLabel } from "../wire/messages.ts";
import type { ErrorBody } from "../wire/messages.ts";
import { parsePlain } from "../wire/parsePlain.ts";
import { Connection } from "./connection.ts";
import type { ClientIdentity, ConnectionContext } from "./connectionContext.ts";
import { isError } from "./publishes.ts";

const GREETING = textFrame(encode({ connection: "ok" }));

/** One client in one channel, in the dialect `plain`. */
export class PlainConnection extends Connection implements Listener {
  readonly dialect = "plain";
  readonly #channel: string;
  readonly #rights: Rights;
  #cursor: Cursor | undefined;

  /** Neither reads nor writes before {@link start}. The user must have entered the channel. */
  constructor(
    socket: Socket,
    channel: string,
    rights: Rights,
    client: ClientIdentity,
    context: ConnectionContext,
  ) {
    super(socket, context.settings.maxPayloadBytes, client, context);
    this.#channel = channel;
    this.#rights = rights;
  }

  /**
   * Accepts the upgrade, sends the greeting, and begins to deliver and to read.
   * @param response the response to the upgrade request.
   * @param head bytes that arrived with the upgrade request.
   */
  start(response: string, { cursor }: Joined, head: Buffer): void {
    if (this.#rights.canSubscribe) this.#cursor = cursor;
    else cursor.close();
    this.begin(response, head);
  }

  onReadable(): void {
    this.schedule();
  }

  protected onRequest(text: string | undefined): void {
    const message = parsePlain(text, this.context.settings.maxPayloadBytes);
    if (message.kind === "invalid") this.#refuse(message.error);
    else if (!this.#rights.canPublish) this.#refuse(FORBIDDEN);
    else {
      const result = this.publish({ channel: this.#channel, json: message.json }, (later) => {
        if (isError(later)) this.#refuse(later);
      });
      if (result !== undefined && isError(result)) this.#refuse(result);
    }
  }

  protected get waiting(): number {
    return this.publishing;
  }

  protected greet(): void {
    this.webSocket.write(GREETING);
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
    const event = { client: this.client, user: this.publisher, channel: toWireName(this.#channel) };
    if (this.#rights.canSubscribe) this.context.hooks?.unsubscribe(event);
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

  #refuse(error: ErrorBody): void {
    this.context.metrics.count("publishesRefused", codeLabel(error));
    this.answer({ error });
  }
}

const FORBIDDEN: ErrorBody = { code: "forbidden", message: "The token does not allow publishing." };
