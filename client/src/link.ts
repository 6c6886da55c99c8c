import type { ClientError } from "./api/error.ts";
import type { Loss, Opened } from "./api/events.ts";
import type { Limits } from "./api/limits.ts";
import type { ConnectOptions } from "./api/options.ts";
import { AnswerTimer } from "./connection/answerTimer.ts";
import { SilenceDetector } from "./connection/silence.ts";
import { Socket, SUBPROTOCOL } from "./connection/socket.ts";
import { parseFrame } from "./messages/frames.ts";
import type { AckFrame, ErrorFrame, Frame } from "./messages/frames.ts";
import { Subscriber } from "./messages/subscriber.ts";
import type { Subscriptions } from "./messages/subscriptions.ts";
import type { Clock, WebSocketConstructor } from "./platform/platform.ts";

/** Characters of an invalid frame that the reason of the loss contains. */
const MAX_QUOTED_CHARACTERS = 100;

export interface LinkOptions {
  readonly url: URL;
  readonly WebSocket: WebSocketConstructor;
  readonly token: ConnectOptions["token"];
  readonly limits: Limits;
  readonly clock: Clock;
  readonly random: () => number;
  readonly subscriptions: Subscriptions;
}

/** What happens on a link. */
export interface LinkEvents {
  onGreeting(link: Link, greeting: Opened): void;
  /** All channels are subscribed on this link. It may be called repeatedly. */
  onSettle(link: Link): void;
  onAck(ack: AckFrame): void;
  /** An error that answers no subscribe or unsubscribe. */
  onError(error: ErrorFrame): void;
  /** @param status the HTTP status of a refused upgrade, or NaN. */
  onLoss(link: Link, loss: Loss, status: number): void;
  onInvalidUrl(error: ClientError): void;
}

/** One WebSocket with its channels. After `close`, it calls no method of its events. */
export class Link {
  readonly #events: LinkEvents;
  readonly #socket: Socket;
  readonly #answers: AnswerTimer;
  readonly #silence: SilenceDetector;
  readonly #subscriber: Subscriber;

  constructor(options: LinkOptions, events: LinkEvents) {
    const { limits, clock } = options;
    const { answerTimeoutMs, connectTimeoutMs } = limits;
    this.#events = events;
    this.#socket = new Socket({
      ...options,
      timeoutMs: connectTimeoutMs,
      onData: (data) => {
        this.#receive(data);
      },
      onLoss: (loss, status) => {
        events.onLoss(this, loss, status);
      },
      onInvalidUrl: (error) => {
        events.onInvalidUrl(error);
      },
    });
    this.#answers = new AnswerTimer({
      clock,
      limitMs: answerTimeoutMs,
      bufferedAmount: () => this.#socket.bufferedAmount,
      onTimeout: () => {
        this.#lose(`no answer within ${answerTimeoutMs} ms`);
      },
    });
    this.#silence = new SilenceDetector(clock, (silenceMs) => {
      this.#lose(`no frame within ${silenceMs} ms`);
    });
    this.#subscriber = new Subscriber({
      ...options,
      writer: this,
      onSettle: () => {
        events.onSettle(this);
      },
    });
  }

  get isOpen(): boolean {
    return this.#socket.openMs !== undefined;
  }

  /** Milliseconds since the greeting; 0 before it. */
  get openMs(): number {
    return this.#socket.openMs ?? 0;
  }

  /** Milliseconds since the start of the attempt. */
  get ageMs(): number {
    return this.#socket.ageMs;
  }

  /** Whether the server has sent nothing for too long, such as after the machine slept. */
  get isSilent(): boolean {
    return this.#silence.isSilent;
  }

  /** Whether all channels are subscribed on this link. */
  get isSettled(): boolean {
    return this.#subscriber.isSettled;
  }

  /** Whether it has taken over a channel. */
  get ownsAny(): boolean {
    return this.#subscriber.ownsAny;
  }

  open(): void {
    void this.#socket.open();
  }

  request(frame: string): void {
    this.#socket.send(frame);
    this.#answers.onRequest();
  }

  onAnswer(): void {
    this.#answers.onAnswer();
  }

  /** Subscribes to all channels. */
  subscribe(): void {
    this.#subscriber.start();
  }

  close(end: { readonly isDead: boolean }): void {
    this.#silence.stop();
    this.#answers.stop();
    this.#socket.close(end);
    this.#subscriber.stop();
  }

  #receive(data: unknown): void {
    this.#silence.onFrame();
    const frame = parseFrame(data);
    if (frame === undefined || (frame.kind === "greeting") === this.isOpen) {
      this.#lose(`not ${SUBPROTOCOL}: ${String(data).slice(0, MAX_QUOTED_CHARACTERS)}`);
    } else {
      this.#handle(frame);
    }
  }

  #handle(frame: Frame): void {
    switch (frame.kind) {
      case "greeting":
        this.#socket.onGreeting();
        this.#silence.onHeartbeat(frame.greeting.heartbeat);
        this.#events.onGreeting(this, frame.greeting);
        break;
      case "heartbeat":
        this.#silence.onHeartbeat(frame.seconds);
        break;
      case "ack":
        this.#events.onAck(frame);
        break;
      case "error":
        if (frame.id !== undefined || !this.#subscriber.onError(frame)) this.#events.onError(frame);
        break;
      case "unknown":
        break;
      case "message":
      case "subscribed":
      case "gap":
      case "unsubscribed":
        this.#subscriber.onFrame(frame);
    }
  }

  #lose(reason: string): void {
    this.#events.onLoss(this, { reason }, NaN);
  }
}
