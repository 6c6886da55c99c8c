/** Numbers of events by a label. */
export type TallyCounts = Readonly<Record<string, number>>;

/** The last close code that RFC 6455 and its registry define. Clients can close with any of 4,000 further codes. */
const LAST_DEFINED_CLOSE_CODE = 1015;

/** Counts events by a label: since the start, and since the last {@link take}. */
export class Tally {
  readonly #totals = new Map<string, number>();
  #recent = new Map<string, number>();

  /** Since the start. */
  get totals(): ReadonlyMap<string, number> {
    return this.#totals;
  }

  /** @param label codes above 1015 share one label per thousand, because each label uses memory for good. */
  add(label: string | number): void {
    const text =
      typeof label === "number" && label > LAST_DEFINED_CLOSE_CODE
        ? `${Math.floor(label / 1000)}xxx`
        : String(label);
    this.#totals.set(text, (this.#totals.get(text) ?? 0) + 1);
    this.#recent.set(text, (this.#recent.get(text) ?? 0) + 1);
  }

  /** Returns the numbers since the last call. */
  take(): TallyCounts {
    const taken = Object.fromEntries(this.#recent);
    this.#recent = new Map();
    return taken;
  }
}
