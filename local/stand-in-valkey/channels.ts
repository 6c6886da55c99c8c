/** Publish and subscribe, for messages of text. @see https://valkey.io/topics/pubsub */
import type { Socket } from "node:net";
import { encodeReply, type Reply } from "./resp.ts";

export class Channels {
  readonly #subscribers = new Map<string, Set<Socket>>();

  /** @returns the replies, one for each channel. */
  subscribe(socket: Socket, names: readonly string[]): readonly Reply[] {
    return names.map((name) => {
      this.#subscribers.set(name, (this.#subscribers.get(name) ?? new Set()).add(socket));
      return ["subscribe", name, this.#namesOf(socket).length];
    });
  }

  /** Without names, all channels of the connection. */
  unsubscribe(socket: Socket, names: readonly string[]): readonly Reply[] {
    const left = names.length === 0 ? this.#namesOf(socket) : names;
    if (left.length === 0) return [["unsubscribe", null, 0]];
    return left.map((name) => {
      const subscribers = this.#subscribers.get(name);
      subscribers?.delete(socket);
      if (subscribers?.size === 0) this.#subscribers.delete(name);
      return ["unsubscribe", name, this.#namesOf(socket).length];
    });
  }

  /** @returns the number of subscribers. */
  publish(name: string, message: string): number {
    const subscribers = this.#subscribers.get(name) ?? [];
    const push = encodeReply(["message", name, message]);
    for (const socket of subscribers) socket.write(push);
    return this.count(name);
  }

  count(name: string): number {
    return this.#subscribers.get(name)?.size ?? 0;
  }

  #namesOf(socket: Socket): readonly string[] {
    return [...this.#subscribers].flatMap(([name, subscribers]) => (subscribers.has(socket) ? [name] : []));
  }
}
