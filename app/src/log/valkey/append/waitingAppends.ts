import type { PendingAppend } from "./pendingAppend.ts";

/** Appends that wait, by partition. Those of one partition are in the order of the calls. */
export class WaitingAppends {
  readonly #queues = new Map<number, PendingAppend[]>();
  readonly #blocked = new Set<number>();
  /** Partitions with waiting appends that can be taken. */
  readonly partitions = new Set<number>();

  add(append: PendingAppend): void {
    const { partition } = append.channel;
    const queue = this.#queues.get(partition);
    if (queue === undefined) this.#queues.set(partition, [append]);
    else queue.push(append);
    if (!this.#blocked.has(partition)) this.partitions.add(partition);
  }

  /** Puts appends back in the order of the calls. */
  addAgain(appends: readonly PendingAppend[]): void {
    for (const [partition, again] of Map.groupBy(appends, ({ channel }) => channel.partition)) {
      const queue = [...again, ...(this.#queues.get(partition) ?? [])];
      this.#queues.set(
        partition,
        queue.sort((one, other) => one.calledAt - other.calledAt),
      );
      if (!this.#blocked.has(partition)) this.partitions.add(partition);
    }
  }

  /** Takes appends of some partitions. @returns at most `max`. */
  take(partitions: readonly number[], max: number): readonly PendingAppend[] {
    const taken: PendingAppend[] = [];
    for (const partition of partitions) {
      const queue = this.#queues.get(partition);
      if (queue === undefined) continue;
      const left = max - taken.length;
      if (queue.length > left) {
        taken.push(...queue.splice(0, left));
        break;
      }
      this.#drop(partition);
      if (taken.length === 0 && partitions.length === 1) return queue;
      taken.push(...queue);
    }
    return taken;
  }

  takeAll(): readonly PendingAppend[] {
    const all = [...this.#queues.values()].flat();
    this.#queues.clear();
    this.partitions.clear();
    return all;
  }

  /** Takes partitions out of {@link partitions} until {@link release}. */
  block(partitions: Iterable<number>): void {
    for (const partition of partitions) {
      this.#blocked.add(partition);
      this.partitions.delete(partition);
    }
  }

  release(partitions: Iterable<number>): void {
    for (const partition of partitions) {
      this.#blocked.delete(partition);
      if (this.#queues.has(partition)) this.partitions.add(partition);
    }
  }

  /** Returns all queues, of which the caller can remove appends. Call {@link dropEmpty} then. */
  queues(): Iterable<PendingAppend[]> {
    return this.#queues.values();
  }

  dropEmpty(): void {
    for (const [partition, queue] of this.#queues) if (queue.length === 0) this.#drop(partition);
  }

  #drop(partition: number): void {
    this.#queues.delete(partition);
    this.partitions.delete(partition);
  }
}
