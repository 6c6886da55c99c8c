/** What the rules say of a stack, and what of that is to stand. */
import { nearest } from "../app/src/settings/nearest.ts";
import type { Suppression } from "../infra/components/suppressions.ts";
import type { Resource, ResourceRule, Rule, Stack } from "./rule.ts";
import { UnknownValueError } from "./values.ts";

/** One thing that is wrong with one resource. */
export interface Finding {
  readonly rule: Rule;
  readonly resource: Resource;
  /** What is wrong, in a few words. */
  readonly fault: string;
}

export interface Verdict {
  /** What nobody suppressed. */
  readonly findings: readonly Finding[];
  readonly suppressed: readonly { readonly finding: Finding; readonly suppression: Suppression }[];
  /** Suppressions of a resource that is there, and of which nothing is found. */
  readonly idle: readonly Idle[];
  /** Suppressions of resources that this stack does not have. */
  readonly absent: readonly Suppression[];
}

export interface Idle {
  readonly suppression: Suppression;
  /** A sentence. */
  readonly message: string;
}

/** Asks every rule about every resource of a stack. */
export function judge(stack: Stack, rules: readonly Rule[], suppressions: readonly Suppression[]): Verdict {
  const all = rules.flatMap((rule) => stack.flatMap((resource) => inspect(rule, resource, stack).findings));
  const judged = all.map((finding) => ({ finding, suppression: suppressionOf(finding, suppressions) }));
  return {
    findings: judged.flatMap(({ finding, suppression }) => (suppression === undefined ? [finding] : [])),
    suppressed: judged.flatMap(({ finding, suppression }) =>
      suppression === undefined ? [] : [{ finding, suppression }],
    ),
    ...idleIn(stack, rules, suppressions),
  };
}

/** Asks one rule about one resource, for which a {@link ResourceRule} needs no stack. */
export function inspect(rule: ResourceRule, resource: Resource): Inspection;
export function inspect(rule: Rule, resource: Resource, stack: Stack): Inspection;
export function inspect(rule: Rule, resource: Resource, stack: Stack = []): Inspection {
  if (!rule.types.includes(resource.type)) return { findings: [], decided: true };
  const findings: Finding[] = [];
  try {
    for (const fault of rule.faults(resource, stack)) findings.push({ rule, resource, fault });
    return { findings, decided: true };
  } catch (error) {
    if (!(error instanceof UnknownValueError)) throw error;
    return { findings, decided: false };
  }
}

export interface Inspection {
  readonly findings: readonly Finding[];
  /** False where there may be more, by what is not known yet. */
  readonly decided: boolean;
}

/** The suppression that lets a finding stand. */
export function suppressionOf(
  { rule, resource, fault }: Finding,
  suppressions: readonly Suppression[],
): Suppression | undefined {
  return suppressions.find(
    (suppression) =>
      suppression.rule === rule.id &&
      isOf(suppression, resource) &&
      (suppression.findings?.includes(fault) ?? true),
  );
}

/** A finding as its reader needs it: what it is, why it matters, and both ways out. */
export function explain({ rule, resource, fault }: Finding): string {
  return [
    `${resource.name}: ${fault}.`,
    `Why: ${rule.why}`,
    `Fix: ${rule.fix} Or let it stand: a suppression with its reason, beside the resource in infra/.`,
  ].join("\n");
}

function idleIn(
  stack: Stack,
  rules: readonly Rule[],
  suppressions: readonly Suppression[],
): Pick<Verdict, "idle" | "absent"> {
  const idle: Idle[] = [];
  const absent: Suppression[] = [];
  for (const suppression of suppressions) {
    const { rule: id, resource: place } = suppression;
    const rule = rules.find((candidate) => candidate.id === id);
    if (rule === undefined) {
      const meant = nearest(
        id,
        rules.map((candidate) => candidate.id),
      );
      idle.push({
        suppression,
        message:
          `There is no rule ${id}, which is suppressed at ${place}` +
          (meant === undefined ? "." : `; did you mean ${meant}?`),
      });
      continue;
    }
    const resources = stack.filter((resource) => isOf(suppression, resource));
    if (resources.length === 0) {
      if (suppression.when === undefined) absent.push(suppression);
      continue;
    }
    const inspections = resources.map((resource) => inspect(rule, resource, stack));
    if (inspections.some(({ decided }) => !decided)) continue;
    const faults = inspections.flatMap(({ findings }) => findings.map(({ fault }) => fault));
    const used = faults.some((fault) => suppression.findings?.includes(fault) ?? true);
    if (suppression.when !== undefined && !used) continue;
    if (suppression.findings === undefined && faults.length === 0) {
      idle.push({ suppression, message: `${id} finds nothing at ${place}: remove its suppression.` });
    }
    for (const finding of suppression.findings?.filter((one) => !faults.includes(one)) ?? []) {
      idle.push({
        suppression,
        message: `${id} does not find "${finding}" at ${place}: remove it from the suppression.`,
      });
    }
  }
  return { idle, absent };
}

function isOf(suppression: Suppression, { urn }: Resource): boolean {
  // urn:pulumi:STACK::PROJECT::TYPE$TYPE::NAME
  return urn.split("::")[2] === suppression.resource;
}
