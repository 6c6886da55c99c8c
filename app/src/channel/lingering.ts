/** Items without a use, which are kept for a while. One timer is enough for any number of them. */
export class Lingering<Item> {
  readonly #lingerMs: number;
  readonly #onExpired: (item: Item) => void;
  /** Items that were added before and after the last sweep, in the order in which they were added. */
  #older = new Set<Item>();
  #newer = new Set<Item>();
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param lingerMs minimum time until an item expires, in milliseconds. The maximum is twice as long.
   * @param onExpired called with each item that has expired.
   */
  constructor(lingerMs: number, onExpired: (item: Item) => void) {
    this.#lingerMs = lingerMs;
    this.#onExpired = onExpired;
  }

  /** Adds an item, or begins its time again. */
  add(item: Item): void {
    this.delete(item);
    this.#newer.add(item);
    this.#timer ??= setTimeout(this.#sweep, this.#lingerMs).unref();
  }

  delete(item: Item): void {
    this.#older.delete(item);
    this.#newer.delete(item);
  }

  /** Yields the items; the one that was added first is the first. It can be deleted meanwhile. */
  *oldestFirst(): Generator<Item> {
    yield* this.#older;
    yield* this.#newer;
  }

  clear(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#older.clear();
    this.#newer.clear();
  }

  readonly #sweep = (): void => {
    const expired = this.#older;
    this.#older = this.#newer;
    this.#newer = new Set();
    this.#timer = this.#older.size > 0 ? setTimeout(this.#sweep, this.#lingerMs).unref() : undefined;
    for (const item of expired) this.#onExpired(item);
  };
}
