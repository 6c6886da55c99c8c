/** The keys of the stand-in: streams, hashes, and when they expire. */
import { CommandError } from "./resp.ts";
import { Stream } from "./stream.ts";

type Value = Stream | Map<string, string>;

export class Store {
  readonly #values = new Map<string, Value>();
  /** In milliseconds of `Date.now()`. */
  readonly #expiries = new Map<string, number>();

  stream(key: string): Stream | undefined {
    const value = this.#get(key);
    return value === undefined || value instanceof Stream ? value : wrongType();
  }

  hash(key: string): Map<string, string> | undefined {
    const value = this.#get(key);
    return value instanceof Stream ? wrongType() : value;
  }

  set(key: string, value: Value): void {
    // Nobody asks again for the keys of channels that are idle.
    for (const other of this.#expiries.keys()) this.#get(other);
    this.#values.set(key, value);
  }

  has(key: string): boolean {
    return this.#get(key) !== undefined;
  }

  /** @returns whether it was there. */
  delete(key: string): boolean {
    const existed = this.has(key);
    this.#values.delete(key);
    this.#expiries.delete(key);
    return existed;
  }

  /** @returns whether there is such a key. */
  expire(key: string, ms: number): boolean {
    if (!this.has(key)) return false;
    this.#expiries.set(key, Date.now() + ms);
    return true;
  }

  #get(key: string): Value | undefined {
    const expiry = this.#expiries.get(key);
    if (expiry !== undefined && expiry <= Date.now()) {
      this.#values.delete(key);
      this.#expiries.delete(key);
    }
    return this.#values.get(key);
  }
}

function wrongType(): never {
  throw new CommandError("WRONGTYPE Operation against a key holding the wrong kind of value");
}
