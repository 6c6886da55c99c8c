/** A server of `channels.v1` with logs in memory, which drops connections and rejects requests as a test demands. */
import type { ClientFrame, PublishFrame, ServerConnection, SubscribeFrame } from "./scriptedServer.ts";

export const EPOCH = "e";

export interface Faults {
  /** For each connection, the number of frames in both directions after which it is dropped. The further ones last. */
  readonly cuts: readonly number[];
  /** For each subscribe and publish, whether it is rejected for now. The further ones are not. */
  readonly rejections: readonly boolean[];
  /** For each connection, the seconds until its token expires. The tokens of the further ones do not. */
  readonly lifetimes: readonly number[];
  /** Whether each message is delivered twice, and before its acknowledgement. */
  readonly repeats: boolean;
}

interface Entry {
  readonly value: unknown;
  readonly id: string;
}

class FaultyConnection {
  readonly subscriptions = new Set<string>();
  readonly #connection: ServerConnection;
  #framesLeft: number;

  constructor(connection: ServerConnection, cut = Infinity) {
    this.#connection = connection;
    this.#framesLeft = cut;
  }

  get isDropped(): boolean {
    return this.#framesLeft <= 0;
  }

  /** Counts a frame. Returns whether the connection still exists. */
  count(): boolean {
    this.#framesLeft -= 1;
    if (this.#framesLeft === 0) this.#connection.terminate();
    return !this.isDropped;
  }

  send(frame: unknown): void {
    if (this.count()) this.#connection.send(frame);
  }
}

export class FaultyServer {
  readonly logs = new Map<string, Entry[]>();
  /** The number of connections that were dropped. */
  drops = 0;
  /** The number of connections that the client has closed. */
  renewals = 0;
  readonly #connections = new Set<FaultyConnection>();
  readonly #cuts: number[];
  readonly #rejections: boolean[];
  readonly #lifetimes: number[];
  readonly #repeats: boolean;

  constructor({ cuts, rejections, lifetimes, repeats }: Faults) {
    this.#cuts = [...cuts];
    this.#rejections = [...rejections];
    this.#lifetimes = [...lifetimes];
    this.#repeats = repeats;
  }

  readonly accept = (accepted: ServerConnection): void => {
    const connection = new FaultyConnection(accepted, this.#cuts.shift());
    this.#connections.add(connection);
    void accepted.closed.then(() => {
      if (connection.isDropped) this.drops += 1;
      else this.renewals += 1;
      this.#connections.delete(connection);
    });
    accepted.onFrame((frame) => {
      if (connection.count()) this.#handle(connection, frame);
    });
    connection.send({ connection: "ok", heartbeat: 30, expiresIn: this.#lifetimes.shift() });
  };

  log(channel: string): Entry[] {
    const log = this.logs.get(channel) ?? [];
    this.logs.set(channel, log);
    return log;
  }

  #handle(connection: FaultyConnection, frame: ClientFrame): void {
    if ("unsubscribe" in frame) {
      connection.subscriptions.delete(frame.unsubscribe);
      connection.send({ unsubscribed: frame.unsubscribe });
    } else if (this.#rejections.shift() === true) {
      const rejected =
        "publish" in frame ? { channel: frame.channel, id: frame.id } : { channel: frame.subscribe };
      connection.send({ error: { code: "unavailable", message: "No.", ...rejected } });
    } else if ("subscribe" in frame) {
      this.#subscribe(connection, frame);
    } else {
      this.#publish(connection, frame);
    }
  }

  #subscribe(connection: FaultyConnection, { subscribe: channel, offset, last = 0 }: SubscribeFrame): void {
    const log = this.log(channel);
    const from = offset ?? Math.max(0, log.length - last);
    connection.send({ subscribed: channel, epoch: EPOCH, offset: from });
    connection.subscriptions.add(channel);
    log.slice(from).forEach(({ value }, index) => {
      connection.send({ channel, message: value, offset: from + index + 1 });
    });
  }

  #publish(connection: FaultyConnection, { publish: value, channel, id }: PublishFrame): void {
    const log = this.log(channel);
    const known = log.findIndex((entry) => entry.id === id) + 1;
    const offset = known === 0 ? log.push({ value, id }) : known;
    const acknowledge = (): void => {
      connection.send({ ack: id, channel, epoch: EPOCH, offset });
    };
    if (!this.#repeats) acknowledge();
    if (known === 0) this.#deliver(channel, value, offset);
    if (this.#repeats) acknowledge();
  }

  #deliver(channel: string, value: unknown, offset: number): void {
    for (const connection of this.#connections) {
      if (!connection.subscriptions.has(channel)) continue;
      for (let count = 0; count < (this.#repeats ? 2 : 1); count += 1) {
        connection.send({ channel, message: value, offset });
      }
    }
  }
}
