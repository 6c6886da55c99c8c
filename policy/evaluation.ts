/** Applies the rules to a stack and separates the findings from the accepted ones. */
import { nearest } from "../app/src/settings/nearest.ts";
import { isPackaged } from "../app/src/settings/ownFiles.ts";
import type { Suppression } from "../infra/components/suppression.ts";
import type { Resource, ResourceRule, Rule, Stack } from "./rule.ts";
import { UnknownValueError } from "./values.ts";

const ACCEPT = isPackaged
  ? "make the policy advisory, with --policy-pack-config"
  : "add a suppression with a reason beside the resource in infra/";

/** A violation of a rule by a resource. */
export interface Finding {
  readonly rule: Rule;
  readonly resource: Resource;
  /** The violation in a few words. */
  readonly fault: string;
}

export interface Evaluation {
  /** Findings without a suppression. */
  readonly findings: readonly Finding[];
  /** Accepted findings. */
  readonly suppressed: readonly { readonly finding: Finding; readonly suppression: Suppression }[];
  /** Suppressions of an existing resource that match no finding. */
  readonly unused: readonly UnusedSuppression[];
  /** Suppressions of resources that the stack does not have. */
  readonly absent: readonly Suppression[];
}

export interface UnusedSuppression {
  readonly suppression: Suppression;
  /** The reason and the fix, as a sentence. */
  readonly message: string;
}

/** Applies all rules to all resources of a stack. */
export function evaluateRules(
  stack: Stack,
  rules: readonly Rule[],
  suppressions: readonly Suppression[],
): Evaluation {
  const all = rules.flatMap((rule) => stack.flatMap((resource) => applyRule(rule, resource, stack).findings));
  const matched = all.map((finding) => ({ finding, suppression: findSuppression(finding, suppressions) }));
  return {
    findings: matched.flatMap(({ finding, suppression }) => (suppression === undefined ? [finding] : [])),
    suppressed: matched.flatMap(({ finding, suppression }) =>
      suppression === undefined ? [] : [{ finding, suppression }],
    ),
    ...findUnused(stack, rules, suppressions),
  };
}

/** The findings of one rule for one resource. */
export interface RuleResult {
  readonly findings: readonly Finding[];
  /** Whether all values that the rule needs are known. Otherwise there can be more findings. */
  readonly isComplete: boolean;
}

/** Applies one rule to one resource. A {@link ResourceRule} needs no stack. */
export function applyRule(rule: ResourceRule, resource: Resource): RuleResult;
export function applyRule(rule: Rule, resource: Resource, stack: Stack): RuleResult;
export function applyRule(rule: Rule, resource: Resource, stack: Stack = []): RuleResult {
  if (!rule.types.includes(resource.type)) return { findings: [], isComplete: true };
  const findings: Finding[] = [];
  try {
    for (const fault of rule.check(resource, stack)) findings.push({ rule, resource, fault });
    return { findings, isComplete: true };
  } catch (error) {
    if (!(error instanceof UnknownValueError)) throw error;
    return { findings, isComplete: false };
  }
}

/** Returns the suppression of a finding, if it has one. */
export function findSuppression(
  { rule, resource, fault }: Finding,
  suppressions: readonly Suppression[],
): Suppression | undefined {
  return suppressions.find(
    (suppression) =>
      suppression.rule === rule.id &&
      appliesTo(suppression, resource) &&
      (suppression.findings?.includes(fault) ?? true),
  );
}

/** Formats a finding with its reason and its fix. */
export function formatFinding({ rule, resource, fault }: Finding): string {
  return [
    `${resource.name}: ${fault}.`,
    `Why: ${rule.why}`,
    `Fix: ${rule.fix} Or accept the finding: ${ACCEPT}.`,
  ].join("\n");
}

function findUnused(
  stack: Stack,
  rules: readonly Rule[],
  suppressions: readonly Suppression[],
): Pick<Evaluation, "unused" | "absent"> {
  const unused: UnusedSuppression[] = [];
  const absent: Suppression[] = [];
  for (const suppression of suppressions) {
    const { rule: id, resource: location, when, findings } = suppression;
    const rule = rules.find((candidate) => candidate.id === id);
    if (rule === undefined) {
      unused.push({ suppression, message: describeUnknownRule(suppression, rules) });
      continue;
    }
    const resources = stack.filter((resource) => appliesTo(suppression, resource));
    if (resources.length === 0) {
      if (when === undefined) absent.push(suppression);
      continue;
    }
    const results = resources.map((resource) => applyRule(rule, resource, stack));
    if (results.some(({ isComplete }) => !isComplete)) continue;
    const faults = results.flatMap((result) => result.findings.map(({ fault }) => fault));
    const isUsed = faults.some((fault) => findings?.includes(fault) ?? true);
    if (when !== undefined && !isUsed) continue;
    if (findings === undefined && faults.length === 0) {
      unused.push({ suppression, message: `${id} has no finding at ${location}: remove its suppression.` });
    }
    for (const finding of findings?.filter((one) => !faults.includes(one)) ?? []) {
      unused.push({
        suppression,
        message: `${id} has no finding "${finding}" at ${location}: remove it from the suppression.`,
      });
    }
  }
  return { unused, absent };
}

function describeUnknownRule({ rule: id, resource }: Suppression, rules: readonly Rule[]): string {
  const meant = nearest(
    id,
    rules.map((rule) => rule.id),
  );
  return `${id}, suppressed at ${resource}, is not a rule${meant === undefined ? "." : `; did you mean ${meant}?`}`;
}

/**
 * Whether the types of the resource and its parents end with those of the suppression: `urn:pulumi:STACK::PROJECT::TYPE$TYPE::NAME`.
 * The first types are those of components around it. Under mocks, a URN has only two types.
 */
function appliesTo(suppression: Suppression, { urn }: Resource): boolean {
  return `$${urn.split("::")[2] ?? ""}`.endsWith(`$${suppression.resource}`);
}
