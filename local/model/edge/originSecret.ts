/** Rotations of the origin secret: the headers that the edge adds, and that the rules of the load balancer require. */
import type { RuleCondition } from "../loadBalancer/condition.ts";
import type { DeclaredLoadBalancer } from "../loadBalancer/loadBalancer.ts";
import type { DeclaredDistribution } from "./distribution.ts";

export interface SecretRotation {
  /** The load balancers first accept both values. */
  readonly loadBalancers: readonly DeclaredLoadBalancer[];
  /** Then the edge sends the next one. */
  readonly edge: DeclaredDistribution;
}

/**
 * The next generation of the origin secret. As in a deployment, the load balancers accept the value that the edge sends now, and
 * no older one.
 * @param next the new value.
 * @returns `undefined` if no rule requires a header that the edge adds.
 * @see docs/decisions/0021-secrets-have-generations.md
 */
export function rotateOriginSecret(
  edge: DeclaredDistribution,
  loadBalancers: readonly DeclaredLoadBalancer[],
  next: string,
): SecretRotation | undefined {
  const sent = new Map(
    edge.origins.flatMap(({ customHeaders }) =>
      customHeaders.map(([name, value]) => [name.toLowerCase(), value] as const),
    ),
  );
  const rotated = new Set<string>();

  function acceptBoth(condition: RuleCondition): RuleCondition {
    if (condition.kind !== "http-header") return condition;
    const name = condition.header.toLowerCase();
    const current = sent.get(name);
    if (current === undefined || !condition.values.includes(current)) return condition;
    rotated.add(name);
    return { ...condition, values: [next, current] };
  }

  const accepting = loadBalancers.map((loadBalancer) => ({
    ...loadBalancer,
    listeners: loadBalancer.listeners.map((listener) => ({
      ...listener,
      rules: listener.rules.map((rule) => ({
        ...rule,
        conditions: rule.conditions.map(acceptBoth),
      })),
    })),
  }));
  if (rotated.size === 0) return undefined;
  const origins = edge.origins.map((origin) => ({
    ...origin,
    customHeaders: origin.customHeaders.map(
      ([name, value]) => [name, rotated.has(name.toLowerCase()) ? next : value] as const,
    ),
  }));
  return { loadBalancers: accepting, edge: { ...edge, origins } };
}
