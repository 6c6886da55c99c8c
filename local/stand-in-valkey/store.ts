/** The keys of the stand-in: streams, hashes and strings, with their expiry. */
import { CommandError } from "./resp.ts";
import { EntryStream } from "./stream.ts";

type Value = EntryStream | Map<string, string> | string;

export class KeyStore {
  readonly #values = new Map<string, Value>();
  /** Times in milliseconds of `Date.now()`, by key. */
  readonly #expiries = new Map<string, number>();
  /** Number of writes until the expired keys are removed. */
  #writesLeft = 0;

  stream(key: string): EntryStream | undefined {
    const value = this.#get(key);
    return value === undefined || value instanceof EntryStream ? value : wrongType();
  }

  hash(key: string): Map<string, string> | undefined {
    const value = this.#get(key);
    return value === undefined || value instanceof Map ? value : wrongType();
  }

  text(key: string): string | undefined {
    const value = this.#get(key);
    return value === undefined || typeof value === "string" ? value : wrongType();
  }

  set(key: string, value: Value): void {
    // No command reads the keys of idle channels again, so expired keys are removed here.
    if (this.#writesLeft-- <= 0) {
      for (const other of this.#expiries.keys()) this.#get(other);
      this.#writesLeft = this.#expiries.size;
    }
    this.#values.set(key, value);
  }

  has(key: string): boolean {
    return this.#get(key) !== undefined;
  }

  /** @returns whether the key existed. */
  delete(key: string): boolean {
    const existed = this.has(key);
    this.#values.delete(key);
    this.#expiries.delete(key);
    return existed;
  }

  /** @returns whether the key exists. */
  expire(key: string, ms: number): boolean {
    if (!this.has(key)) return false;
    this.#expiries.set(key, Date.now() + ms);
    return true;
  }

  /** The time until a key expires; -1 if it does not, or -2 if there is no such key. */
  remainingMs(key: string): number {
    if (!this.has(key)) return -2;
    const expiry = this.#expiries.get(key);
    return expiry === undefined ? -1 : Math.round(expiry - Date.now());
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
