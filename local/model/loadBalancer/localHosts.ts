/** Clients of this machine use localhost instead of the domain of the service. */
import type { RuleCondition } from "./condition.ts";
import type { ListenerRule } from "./listener.ts";
import type { DeclaredLoadBalancer } from "./loadBalancer.ts";

const LOCAL_HOSTS = ["localhost", "127.0.0.1"];

/** Rules for a host that forward to the target group match the hosts of this machine too. Those of other target groups do not. */
export function withLocalHosts(
  loadBalancer: DeclaredLoadBalancer,
  targetGroupArn: string,
): DeclaredLoadBalancer {
  return {
    ...loadBalancer,
    listeners: loadBalancer.listeners.map((listener) => ({
      ...listener,
      rules: listener.rules.map((rule) => (forwardsTo(rule, targetGroupArn) ? addLocalHosts(rule) : rule)),
    })),
  };
}

function forwardsTo({ action }: ListenerRule, targetGroupArn: string): boolean {
  return action.type === "forward" && action.targetGroups.some(({ arn }) => arn === targetGroupArn);
}

function addLocalHosts({ conditions, ...rule }: ListenerRule): ListenerRule {
  return {
    ...rule,
    conditions: conditions.map((condition): RuleCondition =>
      condition.kind === "host-header"
        ? { ...condition, values: [...condition.values, ...LOCAL_HOSTS] }
        : condition,
    ),
  };
}
