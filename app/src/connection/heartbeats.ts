/** Beats of many, one after the other: a beat of all at once would be a burst, and a timer for each costs memory. */

/** Groups whose turns share one interval. */
const GROUPS = 16;

export interface Beating {
  beat(): void;
}

export class Heartbeats {
  readonly #groups: readonly Set<Beating>[] = Array.from({ length: GROUPS }, () => new Set<Beating>());
  readonly #timer: NodeJS.Timeout;
  #joining = 0;
  #turn = 0;

  /** @param intervalMs from one beat of a member to its next. */
  constructor(intervalMs: number) {
    this.#timer = setInterval(() => {
      this.#turn = (this.#turn + 1) % GROUPS;
      for (const member of this.#groups[this.#turn] ?? []) member.beat();
    }, intervalMs / GROUPS);
  }

  /** @returns the group that it beats with, for {@link remove}. */
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
