/** Columns and rows that several cases have. */
import type { Column, Row } from "../case.ts";
import type { RunOutcome } from "../generator/runs.ts";

export const KIB = 1024;
export const MIB = 1024 * KIB;
export const MICROSECONDS = 1e6;
const PERCENT = 100;

export const LATENCY_COLUMNS: readonly Column[] = [
  { key: "p50Ms", title: "p50, ms", ratio: true },
  { key: "p99Ms", title: "p99, ms", ratio: true },
];

export function cpuColumns(tasks?: number): readonly Column[] {
  return [
    { key: "serverCpuPercent", title: "server CPU %", ratio: false },
    ...(tasks === undefined
      ? []
      : [
          { key: "storeCpuPercent", title: "store CPU %", ratio: false },
          { key: "sameOrder", title: "same order for all", ratio: false, isFlag: true },
        ]),
    { key: "generatorCpuPercent", title: "generator CPU %", ratio: false },
  ];
}

interface Cpu {
  readonly seconds: number;
  readonly serverCpu: number | undefined;
  readonly storeCpu?: number | undefined;
  readonly generatorCpu: number;
  readonly sameOrder?: boolean;
}

export function cpuRow({ seconds, serverCpu, storeCpu, generatorCpu, sameOrder }: Cpu): Row {
  return {
    serverCpuPercent: percent(serverCpu, seconds),
    storeCpuPercent: percent(storeCpu, seconds),
    generatorCpuPercent: percent(generatorCpu, seconds),
    sameOrder: sameOrder === undefined ? undefined : Number(sameOrder),
  };
}

/** CPU time per second as a percentage of one CPU. */
export function percent(cpu: number | undefined, seconds = 1): number | undefined {
  return quotient(cpu, seconds / PERCENT);
}

export function rowOf<Figures>(
  outcome: RunOutcome<Figures>,
  row: (figures: Figures) => Row,
): RunOutcome<Row> {
  return outcome.outcome === "measured" ? { outcome: "measured", figures: row(outcome.figures) } : outcome;
}

export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

export function quotient(dividend: number | undefined, divisor: number | undefined): number | undefined {
  return dividend === undefined || divisor === undefined || divisor === 0 ? undefined : dividend / divisor;
}
