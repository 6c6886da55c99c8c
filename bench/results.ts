/** What a benchmark found out, as data: the document that is written, and what the tables are made of. */
import type { Case, Row } from "./cases.ts";
import type { ContestantName } from "./contestants.ts";
import type { Outcome } from "./generator/runs.ts";
import type { Pinning } from "./pinning.ts";
import { ratios, spread } from "./statistics.ts";
import type { Spread } from "./statistics.ts";

export interface Machine {
  readonly cpu: string;
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly system: string;
  readonly node: string;
  /** The CPU of the server and that of the generator; `null` where neither could be had for itself. */
  readonly pinned: Pinning | null;
}

export interface ContestantResult {
  readonly contestant: ContestantName;
  /** By repetition. A contestant that fails in one is not asked again. */
  readonly runs: readonly Outcome<Row>[];
}

export interface CaseResult {
  readonly case: Case;
  /** In the order in which they took turns. */
  readonly results: readonly ContestantResult[];
}

/** A column of one contestant. */
export interface Summary {
  readonly key: string;
  readonly values: Spread | undefined;
  /** Multiples of the base, repetition by repetition; `undefined` for a column without. */
  readonly ratio: Spread | undefined;
}

/** Whose figures the others' are multiples of. */
export function baseOf({ case: { base }, results }: CaseResult): ContestantResult | undefined {
  return results.find(({ contestant }) => contestant === base) ?? results[0];
}

export function summarize(result: CaseResult, index: number): readonly Summary[] {
  const {
    case: { columns },
    results,
  } = result;
  const base = baseOf(result);
  const own = results[index];
  return columns.map(({ key, ratio }) => {
    const values = valuesOf(own, key);
    return {
      key,
      values: spread(values.filter((value) => value !== undefined)),
      ratio: ratio ? spread(ratios(values, valuesOf(base, key))) : undefined,
    };
  });
}

/** Why a contestant has no figures in a case; `undefined` where it has. */
export function failureOf({
  runs,
}: ContestantResult): Exclude<Outcome<Row>, { outcome: "measured" }> | undefined {
  return runs.find((run) => run.outcome !== "measured");
}

/** The document, to be written as JSON. */
export function documentOf(
  cases: readonly CaseResult[],
  about: {
    readonly machine: Machine;
    readonly startedAt: Date;
    readonly quick: boolean;
    readonly interrupted: boolean;
  },
): object {
  return {
    ...about,
    cases: cases.map((result) => ({
      name: result.case.name,
      title: result.case.title,
      base: baseOf(result)?.contestant,
      results: result.results.map(({ contestant, runs }, index) => ({
        contestant,
        summary: summarize(result, index),
        runs,
      })),
    })),
  };
}

function valuesOf(result: ContestantResult | undefined, key: string): readonly (number | undefined)[] {
  return (result?.runs ?? []).map((run) => (run.outcome === "measured" ? run.figures[key] : undefined));
}
