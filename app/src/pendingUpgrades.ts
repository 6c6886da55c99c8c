/** The upgrade requests that are not answered yet. Each is answered within a bounded time. */
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";

import type { Handshake } from "./http/handshake.ts";
import { BUSY } from "./http/refusal.ts";
import type { Refusal } from "./http/refusal.ts";

/** Time in which an upgrade must be accepted. After that its channel counts as unavailable. */
const TIMEOUT_MS = 6_000;

const CHECK_INTERVAL_MS = 2_000;

/** Time after which every upgrade has been answered. A client must wait longer, or it never reads the refusal. */
export const MAX_UPGRADE_MS = TIMEOUT_MS + CHECK_INTERVAL_MS;

export interface PendingUpgrade {
  readonly request: IncomingMessage;
  /** Bytes that arrived with the request. */
  readonly head: Buffer;
  readonly handshake: Handshake;
  /** When it arrived, on the clock of `performance.now()`. */
  readonly since: number;
  /** Aborted when the upgrade is rejected. */
  readonly rejection: AbortController;
  /** Ends what the user's limits count for the upgrade, after they have been checked. */
  release?: () => void;
}

export class PendingUpgrades {
  readonly #upgrades = new Set<PendingUpgrade>();
  readonly #refuse: (socket: Socket, refusal: Refusal) => void;
  readonly #timer: NodeJS.Timeout;

  /** @param refuse answers an upgrade request with an error status. */
  constructor(refuse: (socket: Socket, refusal: Refusal) => void) {
    this.#refuse = refuse;
    this.#timer = setInterval(() => {
      const before = performance.now() - TIMEOUT_MS;
      for (const upgrade of this.#upgrades) if (upgrade.since < before) this.reject(upgrade, BUSY);
    }, CHECK_INTERVAL_MS);
  }

  get size(): number {
    return this.#upgrades.size;
  }

  add(request: IncomingMessage, head: Buffer, handshake: Handshake): PendingUpgrade {
    const rejection = new AbortController();
    const upgrade: PendingUpgrade = { request, head, handshake, since: performance.now(), rejection };
    this.#upgrades.add(upgrade);
    return upgrade;
  }

  has(upgrade: PendingUpgrade): boolean {
    return this.#upgrades.has(upgrade);
  }

  /** Removes an upgrade that is accepted. Returns false if it was rejected before. */
  remove(upgrade: PendingUpgrade): boolean {
    return this.#upgrades.delete(upgrade);
  }

  /** Refuses an upgrade, unless it was removed or rejected before. */
  reject(upgrade: PendingUpgrade, refusal: Refusal): void {
    if (!this.#upgrades.delete(upgrade)) return;
    upgrade.release?.();
    upgrade.rejection.abort();
    this.#refuse(upgrade.request.socket, refusal);
  }

  rejectAll(refusal: Refusal): void {
    for (const upgrade of this.#upgrades) this.reject(upgrade, refusal);
  }

  /** Stops checking how long upgrades have been pending. */
  stop(): void {
    clearInterval(this.#timer);
  }
}
