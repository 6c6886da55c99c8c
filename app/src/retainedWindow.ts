/** Evicted slots that may lie at the front before the array is copied; keeps eviction cheap per item. */
const MAX_EVICTED_SLOTS = 1024;

/**
 * The newest items of a sequence with consecutive offsets, as many as fit into a number of bytes. The newest
 * one always stays, however large it is.
 */
export class RetainedWindow<Item> {
  readonly #maxBytes: number;
  readonly #sizeOf: (item: Item) => number;
  #slots: (Item | undefined)[] = [];
  /** Index of the oldest retained item; the slots before it are empty. */
  #head = 0;
  #end: number;
  #bytes = 0;

  /**
   * @param next offset of the first item that will be pushed.
   * @param maxBytes most that is retained, by `sizeOf`.
   */
  constructor(next: number, maxBytes: number, sizeOf: (item: Item) => number) {
    this.#end = next;
    this.#maxBytes = maxBytes;
    this.#sizeOf = sizeOf;
  }

  /** Offset of the oldest retained item; {@link end} where there is none. */
  get first(): number {
    return this.#end - (this.#slots.length - this.#head);
  }

  /** Offset that the next item gets. */
  get end(): number {
    return this.#end;
  }

  /** The item at `offset`, or `undefined` where it is evicted or not there yet. */
  at(offset: number): Item | undefined {
    return this.#slots[this.#head + offset - this.first];
  }

  /** Adds an item, evicts what no longer fits, and returns the item's offset. */
  push(item: Item): number {
    this.#slots.push(item);
    this.#bytes += this.#sizeOf(item);
    this.#end += 1;
    while (this.#bytes > this.#maxBytes && this.#end - this.first > 1) this.#evict();
    return this.#end - 1;
  }

  #evict(): void {
    const oldest = this.#slots[this.#head];
    if (oldest !== undefined) this.#bytes -= this.#sizeOf(oldest);
    this.#slots[this.#head] = undefined;
    this.#head += 1;
    if (this.#head > MAX_EVICTED_SLOTS && this.#head > this.#slots.length / 2) {
      this.#slots = this.#slots.slice(this.#head);
      this.#head = 0;
    }
  }
}
