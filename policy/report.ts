/** Formats evaluations as tables. */
import type { Suppression } from "../infra/components/suppression.ts";
import type { Evaluation } from "./evaluation.ts";
import type { Resource } from "./rule.ts";

export interface NamedEvaluation {
  /** Name of a stack or title of an example. */
  readonly name: string;
  readonly evaluation: Evaluation;
}

export interface Report {
  readonly text: string;
  /** Whether there is no finding without a suppression and no unused suppression. */
  readonly passed: boolean;
}

/** Width of the last column in characters. */
const TEXT_WIDTH = 72;

/**
 * Formats a table for each stack: findings with their fixes, unused suppressions, and suppressed findings with their reasons.
 * The table of an example has no suppressed findings.
 * @param examples `undefined` if `stacks` does not contain all stacks. Otherwise a suppression of a resource that no stack has is
 * an error.
 */
export function formatReport(
  stacks: readonly NamedEvaluation[],
  examples: readonly NamedEvaluation[] | undefined,
): Report {
  const all = [...stacks, ...(examples ?? [])];
  const unmatched = examples === undefined ? [] : absentFromAll(stacks.map(({ evaluation }) => evaluation));
  const sections = [
    ...stacks.map(({ name, evaluation }) => formatTable(`Stack ${name}`, evaluation)),
    ...(examples ?? []).map(({ name, evaluation }) =>
      formatTable(`Example ${name}`, { ...evaluation, suppressed: [] }),
    ),
    ...unmatched.map(
      ({ rule, resource }) => `${rule} is suppressed at ${resource}, but no stack has this resource.`,
    ),
  ];
  return {
    text: `${sections.join("\n\n")}\n`,
    passed:
      unmatched.length === 0 &&
      all.every(({ evaluation }) => evaluation.findings.length === 0 && evaluation.unused.length === 0),
  };
}

/** The cells of a row. The last column has a paragraph for each text. */
type Row = readonly [rule: string, resource: string, ...texts: string[]];

function formatTable(subject: string, evaluation: Evaluation): string {
  const { findings, suppressed, unused } = evaluation;
  const counts = [`findings: ${findings.length}`, `unused suppressions: ${unused.length}`];
  if (suppressed.length > 0) counts.push(`suppressed: ${suppressed.length}`);
  const rows = toRows(evaluation);
  const head: Row = ["rule", "resource", "finding, with its fix or the reason to accept it"];
  return [
    `${subject} (${counts.join(", ")})`,
    ...(rows.length === 0 ? [] : alignColumns([head, ...rows])),
  ].join("\n");
}

function toRows({ findings, suppressed, unused }: Evaluation): readonly Row[] {
  const bySuppression = [...Map.groupBy(suppressed, ({ suppression }) => suppression)];
  return [
    ...findings.map(({ rule, resource, fault }): Row => [
      rule.id,
      nameOf(resource),
      fault,
      `${rule.level}; fix: ${rule.fix}`,
    ]),
    ...unused.map(({ suppression, message }): Row => [suppression.rule, "", message]),
    ...bySuppression.flatMap(([{ rule, when, reason }, ones]) =>
      [...Map.groupBy(ones, ({ finding }) => finding.resource)].map(([resource, group]): Row => [
        rule,
        nameOf(resource),
        ...group.map(({ finding }) => finding.fault),
        `accepted${when === undefined ? "" : `, because ${when}`}: ${reason}`,
      ]),
    ),
  ];
}

function nameOf({ type, name }: Resource): string {
  return `${type.slice(type.lastIndexOf(":") + 1)} ${name}`;
}

function absentFromAll(evaluations: readonly Evaluation[]): readonly Suppression[] {
  const [first, ...others] = evaluations.map(({ absent }) => absent);
  return first?.filter((suppression) => others.every((absent) => absent.includes(suppression))) ?? [];
}

function alignColumns(rows: readonly Row[]): readonly string[] {
  const ruleWidth = Math.max(...rows.map(([rule]) => rule.length));
  const resourceWidth = Math.max(...rows.map(([, resource]) => resource.length));
  return rows.flatMap(([rule, resource, ...texts]) =>
    texts.flatMap(wrapText).map((line, index) => {
      const [left, middle] = index === 0 ? [rule, resource] : ["", ""];
      return `  ${left.padEnd(ruleWidth)}  ${middle.padEnd(resourceWidth)}  ${line}`;
    }),
  );
}

/** Wraps a text between words. */
function wrapText(text: string): readonly string[] {
  return text.match(new RegExp(`\\S.{0,${TEXT_WIDTH - 1}}(?=\\s|$)|\\S+`, "g")) ?? [];
}
