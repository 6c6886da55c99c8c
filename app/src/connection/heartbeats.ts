/** Number of groups, which beat one after the other in one interval. */
const GROUPS = 16;

export interface Beating {
  beat(): void;
}

/**
 * One timer for the heartbeats of all connections. A beat of all connections at once would be a burst, and a timer for each
 * would cost memory.
 */
export class Heartbeats {
  readonly #groups: readonly Set<Beating>[] = Array.from({ length: GROUPS }, () => new Set<Beating>());
  readonly #timer: NodeJS.Timeout;
  #joining = 0;
  #turn = 0;

  /** @param intervalMs time between two beats of a member. */
  constructor(intervalMs: number) {
    this.#timer = setInterval(() => {
      this.#turn = (this.#turn + 1) % GROUPS;
      for (const member of this.#groups[this.#turn] ?? []) member.beat();
    }, intervalMs / GROUPS);
  }

  /** Returns the group of the member, for {@link remove}. */
  add(member: Beating): number {
    this.#joining = (this.#joining + 1) % GROUPS;
    this.#groups[this.#joining]?.add(member);
    return this.#joining;
  }

  remove(member: Beating, group: number): void {
    this.#groups[group]?.delete(member);
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
