/** The load of a run, minute by minute, for `npm run simulate -- --load FILE`. */

/** What the clients of a run did in one minute. */
export interface RecordedMinute {
  readonly connects: number;
  readonly disconnects: number;
  /** Messages that all clients together received. */
  readonly messages: number;
}

const MINUTE_MS = 60_000;

export class LoadRecord {
  readonly #startedAt = performance.now();
  readonly #minutes: { -readonly [Count in keyof RecordedMinute]: number }[] = [];

  /** From the start until now; minutes without any event have zeros. */
  get minutes(): readonly RecordedMinute[] {
    this.#addMinutes();
    return this.#minutes;
  }

  count(event: keyof RecordedMinute): void {
    this.#addMinutes();
    const counts = this.#minutes.at(-1);
    if (counts !== undefined) counts[event]++;
  }

  #addMinutes(): void {
    const minute = Math.floor((performance.now() - this.#startedAt) / MINUTE_MS);
    while (this.#minutes.length <= minute) this.#minutes.push({ connects: 0, disconnects: 0, messages: 0 });
  }
}

/** The file of `--record`; docs/simulate.md describes its columns. */
export function toCsv(minutes: readonly RecordedMinute[]): string {
  const lines = minutes.map(({ connects, disconnects, messages }, minute) =>
    [minute, connects, disconnects, messages].join(","),
  );
  return `${["minute,connects,disconnects,messages", ...lines].join("\n")}\n`;
}
