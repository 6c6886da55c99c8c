/** Runs the cases: contestants take turns, A B C A B C, so that what disturbs the machine disturbs them alike. */
import { calibration } from "./cases.ts";
import type { Case, Conduct, Effort, Row } from "./cases.ts";
import type { Contestant } from "./contestants.ts";
import { untilIdle } from "./generator/processes.ts";
import type { FiguresOf, Outcome, Run, Target } from "./generator/runs.ts";
import type { Pinning } from "./pinning.ts";
import { generate, LOOPBACK, startServer } from "./processes.ts";
import type { ServerProcess } from "./processes.ts";
import type { CaseResult, ContestantResult } from "./results.ts";
import { spread } from "./statistics.ts";

const CALIBRATIONS = 3;

/** What several tasks share. */
export interface Store {
  readonly url: string;
  readonly pid: number;
  /** Idempotent. */
  stop(): Promise<void>;
}

export interface BenchOptions {
  readonly cases: readonly Case[];
  readonly effort: Effort;
  /** In the order of their turns; the first one is the base. */
  readonly contestants: readonly Contestant[];
  readonly pinning: Pinning | undefined;
  /** For the servers' output. */
  readonly folder: string;
  /** What every process of this system needs. */
  readonly environment: Readonly<Record<string, string>>;
  /** Starts a store with nothing in it; where it is left out, cases with tasks are not measured. */
  readonly startStore?: () => Promise<Store>;
  readonly signal: AbortSignal;
  readonly onProgress: (text: string) => void;
  readonly onCase: (result: CaseResult) => void;
  /** A case is left out, and why. */
  readonly onSkipped: (skipped: Case, reason: string) => void;
}

/**
 * Measures; each case's result is told when it is there.
 * @throws {Error} where a server cannot be started, or `signal` is aborted. No process is left in any case.
 */
export async function runBench(options: BenchOptions): Promise<void> {
  const naiveMaximum = once(() => findNaiveMaximum(options));
  for (const each of options.cases) {
    if (each.tasks !== undefined && options.startStore === undefined) {
      options.onSkipped(each, "this machine has no valkey-server");
      continue;
    }
    options.onCase(await runCase(each, naiveMaximum, options));
  }
}

async function runCase(
  each: Case,
  naiveMaximum: () => Promise<number>,
  options: BenchOptions,
): Promise<CaseResult> {
  const contestants = options.contestants.filter(({ name }) => each.only?.includes(name) ?? true);
  const places = contestants.map((contestant) => ({
    place: new Place(contestant, each, options),
    runs: [] as Outcome<Row>[],
  }));
  const { repetitions } = options.effort;
  try {
    for (let repetition = 1; repetition <= repetitions; repetition++) {
      for (const { place, runs } of places) {
        if (runs.some(({ outcome }) => outcome !== "measured")) continue;
        options.onProgress(`${each.name}: ${place.contestant.name}, ${repetition} of ${repetitions}`);
        if (each.fresh === true) await place.clear();
        const outcome = await each.measure(place.conduct(naiveMaximum));
        runs.push(outcome);
        // It may be busy for minutes with what it was asked for.
        if (outcome.outcome !== "measured") await place.clear();
      }
    }
  } finally {
    await Promise.all(places.map(({ place }) => place.clear()));
  }
  return {
    case: each,
    results: places.map(({ place, runs }): ContestantResult => ({ contestant: place.contestant.name, runs })),
  };
}

/** Where one contestant's processes stand during a case. They are started when they are needed. */
class Place {
  readonly contestant: Contestant;
  readonly #tasks: number | undefined;
  readonly #options: BenchOptions;
  #running: { readonly target: Target; readonly processes: readonly { stop(): Promise<void> }[] } | undefined;

  constructor(contestant: Contestant, { tasks }: Pick<Case, "tasks">, options: BenchOptions) {
    this.contestant = contestant;
    this.#tasks = tasks;
    this.#options = options;
  }

  conduct(naiveMaximum: () => Promise<number>): Conduct {
    return {
      effort: this.#options.effort,
      run: (run) => this.run(run),
      restart: () => this.clear(),
      naiveMaximum,
    };
  }

  async run<R extends Run>(run: R): Promise<Outcome<FiguresOf[R["kind"]]>> {
    const { pinning, signal } = this.#options;
    const target = await this.#target();
    // What it was asked for before must not be counted now.
    await untilIdle(target.pids);
    return generate(run, target, pinning?.generator, signal);
  }

  /** Ends the processes; the next run has fresh ones. */
  async clear(): Promise<void> {
    const processes = this.#running?.processes ?? [];
    this.#running = undefined;
    await Promise.all(processes.map((each) => each.stop()));
  }

  async #target(): Promise<Target> {
    if (this.#running !== undefined) return this.#running.target;
    const { pinning, folder, signal, environment, startStore } = this.#options;
    const { name, entry, protocol } = this.contestant;
    const processes: { stop(): Promise<void> }[] = [];
    try {
      let store: Store | undefined;
      if (this.#tasks !== undefined) {
        store = await startStore?.();
        if (store !== undefined) processes.push(store);
      }
      const servers: ServerProcess[] = [];
      for (let task = 0; task < (this.#tasks ?? 1); task++) {
        const server = await startServer({
          name,
          entry,
          environment: { ...environment, ...this.contestant.environment(store?.url) },
          cpu: pinning?.server,
          folder,
          signal,
        });
        servers.push(server);
        processes.push(server);
      }
      const target: Target = {
        host: LOOPBACK,
        ports: servers.map(({ port }) => port),
        pids: servers.map(({ pid }) => pid),
        ...(store === undefined ? {} : { storePid: store.pid }),
        protocol,
      };
      this.#running = { target, processes };
      return target;
    } catch (error) {
      await Promise.all(processes.map((each) => each.stop()));
      throw error;
    }
  }
}

async function findNaiveMaximum(options: BenchOptions): Promise<number> {
  const naive = options.contestants.find(({ name }) => name === "naive");
  if (naive === undefined) throw new Error("The rates of open loops are multiples of what naive can do.");
  const place = new Place(naive, {}, options);
  try {
    const rates: number[] = [];
    for (let run = 0; run < Math.min(CALIBRATIONS, options.effort.repetitions); run++) {
      const outcome = await place.run(calibration(options.effort));
      if (outcome.outcome !== "measured") throw new Error(`naive failed: ${outcome.reason}`);
      rates.push(outcome.figures.messages / outcome.figures.seconds);
    }
    return spread(rates)?.median ?? 0;
  } finally {
    await place.clear();
  }
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => (made ??= make());
}
