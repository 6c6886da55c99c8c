/** The parts of a case: its effort, columns and runs. */
import type { ContestantName } from "./contestants.ts";
import type { FiguresOf, Run, RunOutcome } from "./generator/runs.ts";

export interface Effort {
  readonly repetitions: number;
  /** Warm-up before each measurement, for compilers and buffers. */
  readonly warmSeconds: number;
  /** Duration of a measurement in a closed loop. */
  readonly closedLoopSeconds: number;
  /** Duration of a measurement in an open loop. Percentiles need more samples. */
  readonly openLoopSeconds: number;
  /** Duration of a measurement with a client that never reads. */
  readonly idleReaderSeconds: number;
  /** Share of the lone messages of a full measurement. */
  readonly loneMessageFactor: number;
  /** Time in which the store completes the work that lone messages cause. */
  readonly loneSettleSeconds: number;
}

export const FULL_EFFORT: Effort = {
  repetitions: 3,
  warmSeconds: 0.7,
  closedLoopSeconds: 1,
  openLoopSeconds: 2.5,
  idleReaderSeconds: 10,
  loneMessageFactor: 1,
  loneSettleSeconds: 60,
};

/** Enough to check that everything works. */
export const QUICK_EFFORT: Effort = {
  repetitions: 1,
  warmSeconds: 0.4,
  closedLoopSeconds: 0.5,
  openLoopSeconds: 1,
  idleReaderSeconds: 3,
  loneMessageFactor: 0.1,
  loneSettleSeconds: 1,
};

/** By column key; `undefined` for a figure that the system does not report. */
export type Row = Readonly<Record<string, number | undefined>>;

export interface Column {
  readonly key: string;
  readonly title: string;
  /** Whether the table also contains the ratio to the base. */
  readonly ratio: boolean;
  /** Whether the table also contains the difference to the base. */
  readonly difference?: boolean;
  /** Whether the values are 1 (yes) and 0 (no). */
  readonly isFlag?: boolean;
}

export interface StoreOptions {
  /** Primaries of a cluster. @default no cluster */
  readonly primaries?: number;
}

/** Runs loads against one contestant. */
export interface CaseRunner {
  readonly effort: Effort;
  readonly run: <R extends Run>(run: R) => Promise<RunOutcome<FiguresOf[R["kind"]]>>;
  /** Ends the servers; the next run starts new ones. Their store is a cluster if it has `primaries`. */
  readonly restart: (store?: StoreOptions) => Promise<void>;
  /** Messages a second that `naive` delivers to 1,000 clients. The rates of open loops are multiples of it. */
  readonly naiveMaximum: () => Promise<number>;
}

export interface Case {
  readonly name: string;
  readonly group: Group;
  readonly title: string;
  readonly columns: readonly Column[];
  /** Contestants that the case measures. @default all servers */
  readonly only?: readonly ContestantName[];
  /** Base of the ratios. @default the first contestant */
  readonly base?: ContestantName;
  /** Number of tasks that share a store. @default one task without a store */
  readonly tasks?: number;
  /** Whether each repetition starts new servers. */
  readonly fresh?: boolean;
  readonly measure: (conduct: CaseRunner) => Promise<RunOutcome<Row>>;
}

export const GROUPS = [
  "fan-out",
  "latency",
  "connections",
  "slow",
  "resume",
  "tasks",
  "edge",
  "channels",
] as const;
export type Group = (typeof GROUPS)[number];
