import { hash, timingSafeEqual } from "node:crypto";

/** The API keys that the server accepts: the current one and the previous one. */
export class ApiKeys {
  readonly #digests: readonly Buffer[];

  /** @param keys separated by a space; empty accepts none. */
  constructor(keys: string) {
    this.#digests = keys.split(" ").filter(Boolean).map(digest);
  }

  /** Whether a key is accepted. The time does not depend on how much of it is right. */
  accepts(key: string): boolean {
    const given = digest(key);
    return this.#digests.map((known) => timingSafeEqual(known, given)).includes(true);
  }
}

/** Digests have the same length, which a comparison in constant time needs. */
function digest(key: string): Buffer {
  return hash("sha256", key, "buffer");
}
