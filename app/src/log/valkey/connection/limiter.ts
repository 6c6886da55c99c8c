/** Limits how many jobs run at a time. The others wait in the order of the calls. */
export class Limiter {
  readonly #max: number;
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(max: number) {
    this.#max = max;
  }

  /** Runs a job, which must not reject. */
  async run<Result>(job: () => Promise<Result>): Promise<Result> {
    if (this.#running < this.#max) this.#running += 1;
    // The job that ends passes its place on.
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await job();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }
}
