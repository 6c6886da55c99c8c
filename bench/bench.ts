/** Runs the cases. The contestants alternate (A B C A B C), so that a disturbance of the machine affects all of them. */
import type { Case, CaseRunner, Effort, Row, StoreOptions } from "./case.ts";
import { calibration } from "./cases/broadcast.ts";
import { type Contestant, SERVERS, type StoreAddress } from "./contestants.ts";
import { waitUntilIdle } from "./generator/processes.ts";
import type { FiguresOf, Run, RunOutcome, RunTarget } from "./generator/runs.ts";
import type { Pinning } from "./pinning.ts";
import { generate, startServer } from "./processes.ts";
import type { ServerProcess } from "./processes.ts";
import type { CaseResult } from "./results.ts";
import { spread } from "./statistics.ts";
import { LOOPBACK } from "../cli/loopback.ts";

const CALIBRATIONS = 3;

/** A Valkey that several tasks share. */
export interface Store extends StoreAddress {
  /** Of each primary. */
  readonly pids: readonly number[];
  /** Idempotent. */
  stop(): Promise<void>;
}

export interface BenchSetup {
  readonly cases: readonly Case[];
  readonly effort: Effort;
  /** In the order of their runs. The first one is the base of the ratios. */
  readonly contestants: readonly Contestant[];
  readonly pinning: Pinning | undefined;
  /** Folder for the servers' output. */
  readonly folder: string;
  /** Environment of every server. */
  readonly environment: Readonly<Record<string, string>>;
  /** Starts an empty store; without it, cases with tasks are skipped. */
  readonly startStore?: (options: StoreOptions) => Promise<Store>;
  readonly signal: AbortSignal;
  readonly onProgress: (text: string) => void;
  readonly onCase: (result: CaseResult) => void;
  readonly onSkipped: (skipped: Case, reason: string) => void;
}

/**
 * Measures all cases, and reports each result at once. Every process has ended when it returns or throws.
 * @throws {Error} if a server does not start, or if `signal` aborts.
 */
export async function runBench(setup: BenchSetup): Promise<void> {
  let maximum: Promise<number> | undefined;
  const naiveMaximum = (): Promise<number> => (maximum ??= findNaiveMaximum(setup));
  for (const each of setup.cases) {
    const missing = missingFor(each, setup);
    if (missing !== undefined) setup.onSkipped(each, `this machine has no ${missing}`);
    else setup.onCase(await runCase(each, naiveMaximum, setup));
  }
}

/** The program that a case needs and the machine does not have. */
function missingFor({ tasks, only }: Case, { startStore, contestants }: BenchSetup): string | undefined {
  if (tasks !== undefined && startStore === undefined) return "valkey-server";
  const hasHaproxy = contestants.some(({ name }) => name === "haproxy");
  return only?.includes("haproxy") === true && !hasHaproxy ? "haproxy" : undefined;
}

async function runCase(
  each: Case,
  naiveMaximum: () => Promise<number>,
  setup: BenchSetup,
): Promise<CaseResult> {
  const { repetitions } = setup.effort;
  const all = setup.contestants
    .filter(({ name }) => (each.only ?? SERVERS).some((measured) => measured === name))
    .map((contestant) => ({
      servers: new ContestantServers(contestant, each, setup),
      name: contestant.name,
      runs: [] as RunOutcome<Row>[],
    }));
  try {
    for (let repetition = 1; repetition <= repetitions; repetition++) {
      for (const { servers, name, runs } of all) {
        if (runs.some(({ outcome }) => outcome !== "measured")) continue;
        setup.onProgress(`${each.name}: ${name}, ${repetition} of ${repetitions}`);
        const outcome = await each.measure(servers.runner(naiveMaximum));
        runs.push(outcome);
        // An overloaded server may stay busy for minutes.
        if (each.fresh === true || outcome.outcome !== "measured") await servers.stop();
      }
    }
  } finally {
    await Promise.all(all.map(({ servers }) => servers.stop()));
  }
  return { case: each, results: all.map(({ name, runs }) => ({ contestant: name, runs })) };
}

/** The processes of one contestant during a case. They start with the next run. */
class ContestantServers {
  readonly #contestant: Contestant;
  readonly #tasks: number | undefined;
  readonly #setup: BenchSetup;
  #processes: { stop(): Promise<void> }[] = [];
  #target: RunTarget | undefined;
  #storeOptions: StoreOptions = {};

  constructor(contestant: Contestant, { tasks }: Pick<Case, "tasks">, setup: BenchSetup) {
    this.#contestant = contestant;
    this.#tasks = tasks;
    this.#setup = setup;
  }

  runner(naiveMaximum: () => Promise<number>): CaseRunner {
    return {
      effort: this.#setup.effort,
      run: (run) => this.run(run),
      restart: async (store = {}) => {
        await this.stop();
        this.#storeOptions = store;
      },
      naiveMaximum,
    };
  }

  async run<R extends Run>(run: R): Promise<RunOutcome<FiguresOf[R["kind"]]>> {
    const { pinning, signal } = this.#setup;
    const target = (this.#target ??= await this.#start());
    // Work of the previous run must not count.
    await waitUntilIdle(target.pids);
    return generate(run, target, pinning?.generator, signal);
  }

  /** The next run starts new processes. Idempotent. */
  async stop(): Promise<void> {
    const processes = this.#processes;
    this.#processes = [];
    this.#target = undefined;
    await Promise.all(processes.map((each) => each.stop()));
  }

  async #start(): Promise<RunTarget> {
    const { pinning, folder, signal, environment, startStore } = this.#setup;
    const { name, entry, nodeOptions, protocol, startFront } = this.#contestant;
    try {
      const store = this.#tasks === undefined ? undefined : await startStore?.(this.#storeOptions);
      if (store !== undefined) this.#processes.push(store);
      const servers: ServerProcess[] = [];
      for (let task = 0; task < (this.#tasks ?? 1); task++) {
        const server = await startServer({
          name,
          entry,
          nodeOptions,
          environment: { ...environment, ...this.#contestant.environment(store) },
          cpu: pinning?.server,
          folder,
          signal,
        });
        servers.push(server);
        this.#processes.push(server);
      }
      const front = await startFront?.({
        upstreamPort: servers[0]?.port ?? 0,
        environment,
        cpu: pinning?.server,
        folder,
        signal,
      });
      if (front !== undefined) this.#processes.push(front);
      return {
        host: LOOPBACK,
        ports: front === undefined ? servers.map(({ port }) => port) : [front.port],
        hasTls: front !== undefined,
        pids: [...servers, ...(front === undefined ? [] : [front])].map(({ pid }) => pid),
        ...(store !== undefined && { storePids: store.pids }),
        protocol,
      };
    } catch (error) {
      await this.stop();
      throw error;
    }
  }
}

async function findNaiveMaximum(setup: BenchSetup): Promise<number> {
  const naive = setup.contestants.find(({ name }) => name === "naive");
  if (naive === undefined) throw new Error("The rates of open loops are multiples of naive's maximum.");
  const servers = new ContestantServers(naive, {}, setup);
  try {
    const rates: number[] = [];
    for (let run = 0; run < Math.min(CALIBRATIONS, setup.effort.repetitions); run++) {
      const outcome = await servers.run(calibration(setup.effort));
      if (outcome.outcome !== "measured") throw new Error(`naive failed: ${outcome.reason}`);
      rates.push(outcome.figures.messages / outcome.figures.seconds);
    }
    return spread(rates)?.median ?? 0;
  } finally {
    await servers.stop();
  }
}
