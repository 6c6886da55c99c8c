/** The verdicts as tables for people. */
import type { Suppression } from "../infra/components/suppressions.ts";
import type { Resource } from "./rule.ts";
import type { Verdict } from "./verdict.ts";

export interface NamedVerdict {
  /** Of a stack, or of an example. */
  readonly name: string;
  readonly verdict: Verdict;
}

export interface Report {
  readonly text: string;
  /** Whether nothing is found but what may stand, and nothing is suppressed in vain. */
  readonly passed: boolean;
}

/** Characters in which the last column is wrapped. */
const TEXT_WIDTH = 72;

/**
 * A table for each stack: what is found and how to mend it, what is suppressed in vain, what stands and why. Of an example
 * there is only what is wrong.
 * @param examples none if these are not all stacks. Otherwise what is suppressed and in no stack is an error as well.
 */
export function reportOf(
  stacks: readonly NamedVerdict[],
  examples: readonly NamedVerdict[] | undefined,
): Report {
  const verdicts = [...stacks, ...(examples ?? [])];
  const nowhere = examples === undefined ? [] : absentFromAll(stacks.map(({ verdict }) => verdict));
  const sections = [
    ...stacks.map(({ name, verdict }) => tableOf(`Stack ${name}`, verdict)),
    ...(examples ?? []).map(({ name, verdict }) =>
      tableOf(`Example "${name}" of docs/edges.md`, { ...verdict, suppressed: [] }),
    ),
    ...nowhere.map(({ rule, resource }) => `${rule} is suppressed at ${resource}, which no stack has.`),
  ];
  return {
    text: `${sections.join("\n\n")}\n`,
    passed:
      nowhere.length === 0 &&
      verdicts.every(({ verdict }) => verdict.findings.length === 0 && verdict.idle.length === 0),
  };
}

/** The last column has a paragraph for each of its texts. */
type Row = readonly [rule: string, resource: string, ...texts: string[]];

function tableOf(subject: string, verdict: Verdict): string {
  const { findings, suppressed, idle } = verdict;
  const counts = [`${findings.length} found`, `${idle.length} suppressed in vain`];
  if (suppressed.length > 0) counts.push(`${suppressed.length} let stand`);
  const rows = rowsOf(verdict);
  const head: Row = ["rule", "resource", "finding, and its fix or its reason"];
  return [`${subject}: ${counts.join(", ")}`, ...(rows.length === 0 ? [] : aligned([head, ...rows]))].join(
    "\n",
  );
}

function rowsOf({ findings, suppressed, idle }: Verdict): readonly Row[] {
  const standing = [...Map.groupBy(suppressed, ({ suppression }) => suppression)];
  return [
    ...findings.map(({ rule, resource, fault }): Row => [
      rule.id,
      nameOf(resource),
      fault,
      `${rule.level}; fix: ${rule.fix}`,
    ]),
    ...idle.map(({ suppression, message }): Row => [suppression.rule, "", message]),
    ...standing.flatMap(([{ rule, when, reason }, ones]) =>
      [...Map.groupBy(ones, ({ finding }) => finding.resource)].map(([resource, group]): Row => [
        rule,
        nameOf(resource),
        ...group.map(({ finding }) => finding.fault),
        `stands${when === undefined ? "" : `, as ${when}`}: ${reason}`,
      ]),
    ),
  ];
}

function nameOf({ type, name }: Resource): string {
  return `${type.slice(type.lastIndexOf(":") + 1)} ${name}`;
}

function absentFromAll(verdicts: readonly Verdict[]): readonly Suppression[] {
  const [first, ...others] = verdicts.map(({ absent }) => absent);
  return first?.filter((suppression) => others.every((absent) => absent.includes(suppression))) ?? [];
}

function aligned(rows: readonly Row[]): readonly string[] {
  const ruleWidth = Math.max(...rows.map(([rule]) => rule.length));
  const resourceWidth = Math.max(...rows.map(([, resource]) => resource.length));
  return rows.flatMap(([rule, resource, ...texts]) =>
    texts.flatMap(wrapped).map((line, index) => {
      const [left, middle] = index === 0 ? [rule, resource] : ["", ""];
      return `  ${left.padEnd(ruleWidth)}  ${middle.padEnd(resourceWidth)}  ${line}`;
    }),
  );
}

/** Lines of whole words; one that is longer than a line has its own. */
function wrapped(text: string): readonly string[] {
  return text.match(new RegExp(`\\S.{0,${TEXT_WIDTH - 1}}(?=\\s|$)|\\S+`, "g")) ?? [];
}
