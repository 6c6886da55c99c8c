import { due } from "../../support/waitUntil.ts";

/** Items that are taken in order; a taker may wait for the next one. */
export class Queue<Item> {
  readonly #name: string;
  readonly #items: Item[] = [];
  readonly #takers: ((item: Item) => void)[] = [];

  /** @param name of an item, for the message of a wait that fails. */
  constructor(name: string) {
    this.#name = name;
  }

  readonly put = (item: Item): void => {
    const resolve = this.#takers.shift();
    if (resolve === undefined) this.#items.push(item);
    else resolve(item);
  };

  take(): Promise<Item> {
    return due(this.takeEver(), this.#name);
  }

  /** Waits without a limit, because there may be none. */
  takeEver(): Promise<Item> {
    const [item] = this.#items.splice(0, 1);
    return item === undefined ? new Promise((resolve) => this.#takers.push(resolve)) : Promise.resolve(item);
  }

  async takeMany(count: number): Promise<readonly Item[]> {
    const items: Item[] = [];
    while (items.length < count) items.push(await this.take());
    return items;
  }

  get size(): number {
    return this.#items.length;
  }
}
