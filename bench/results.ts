/** The results of the benchmark as data, for the JSON document and the tables. */
import type { Case, Row } from "./case.ts";
import { COMPARISONS, OWN_SERVERS } from "./contestants.ts";
import type { ContestantName } from "./contestants.ts";
import type { RunOutcome } from "./generator/runs.ts";
import type { Pinning } from "./pinning.ts";
import { differences, ratios, spread } from "./statistics.ts";
import type { Spread } from "./statistics.ts";

export interface Machine {
  readonly cpu: string;
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly system: string;
  readonly node: string;
  /** The CPUs of server and generator; `null` if they share all CPUs. */
  readonly pinned: Pinning | null;
}

export interface ContestantResult {
  readonly contestant: ContestantName;
  /** By repetition. The first failure is the last run. */
  readonly runs: readonly RunOutcome<Row>[];
}

export interface CaseResult {
  readonly case: Case;
  /** In the order of their runs. */
  readonly results: readonly ContestantResult[];
}

/** A column of one contestant. */
export interface Summary {
  readonly key: string;
  readonly values: Spread | undefined;
  /** Ratios to the base by repetition; `undefined` for a column without ratios. */
  readonly ratio: Spread | undefined;
  /** Differences to the base by repetition; `undefined` for a column without differences. */
  readonly difference: Spread | undefined;
}

/** The ratio of one contestant's figures to those of another, by repetition. */
export interface Comparison {
  readonly contestant: ContestantName;
  readonly base: ContestantName;
  /** Of the columns with ratios. */
  readonly ratios: readonly { readonly key: string; readonly title: string; readonly ratio: Spread }[];
}

/** The contestant that the ratios refer to. */
export function baseOf({ case: { base }, results }: CaseResult): ContestantResult | undefined {
  return results.find(({ contestant }) => contestant === base) ?? results[0];
}

/** Compares the dialects of this server, and this server with that of another checkout. */
export function compareOwn({ case: { columns }, results }: CaseResult): readonly Comparison[] {
  return COMPARISONS.map(([contestant, base]) => {
    const [own, other] = [contestant, base].map((name) => results.find((each) => each.contestant === name));
    const compared = columns.flatMap(({ key, title, ratio }) => {
      const values = ratio ? spread(ratios(valuesOf(own, key), valuesOf(other, key))) : undefined;
      return values === undefined ? [] : [{ key, title, ratio: values }];
    });
    return { contestant, base, ratios: compared };
  }).filter((comparison) => comparison.ratios.length > 0);
}

/** Whether the table has ratios to the base. They would repeat {@link compareOwn} if all contestants are this server. */
export function hasRatios(result: CaseResult): boolean {
  const base = baseOf(result)?.contestant;
  return result.results.length > 1 && !OWN_SERVERS.some((name) => name === base);
}

export function summarize(result: CaseResult, index: number): readonly Summary[] {
  const {
    case: { columns },
    results,
  } = result;
  const base = baseOf(result);
  const own = results[index];
  return columns.map(({ key, ratio, difference }) => {
    const values = valuesOf(own, key);
    return {
      key,
      values: spread(values.filter((value) => value !== undefined)),
      ratio: ratio ? spread(ratios(values, valuesOf(base, key))) : undefined,
      difference: difference === true ? spread(differences(values, valuesOf(base, key))) : undefined,
    };
  });
}

/** The run that has no figures; `undefined` if all runs have them. */
export function failureOf({
  runs,
}: ContestantResult): Exclude<RunOutcome<Row>, { outcome: "measured" }> | undefined {
  return runs.find((run) => run.outcome !== "measured");
}

/** The content of the JSON document. */
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
      comparisons: compareOwn(result),
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
