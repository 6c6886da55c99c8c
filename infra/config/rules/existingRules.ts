/** Rules about existing infrastructure. Values that are outputs of other resources are checked only for their presence. */
import type * as pulumi from "@pulumi/pulumi";
import type { Problem } from "../../../app/src/settings/problem.ts";
import type { EdgeValues } from "../edgeDefinitions.ts";
import { CLUSTER_ARN, LISTENER_ARN } from "../existingDefinitions.ts";
import type { ExistingValues } from "../existingDefinitions.ts";
import { isDefault, quote, removal, unusedKey } from "./unusedKeys.ts";

/** The values that the rules read. */
export type ExistingRuleValues = ExistingValues &
  Pick<
    EdgeValues,
    "edge" | "originAccess" | "originTls" | "originCertificateArn" | "domain" | "hostedZoneId"
  > & {
    readonly backplane: "memory" | "valkey";
    readonly idleTimeoutSeconds: number;
  };

type Key = keyof ExistingRuleValues;
type KeyOf = (name: Key) => string;

/** Subnets of a load balancer and of a cache, which must be in different availability zones. */
const MIN_SUBNETS = 2;

/** Characters of a host in a listener rule (Elastic Load Balancing API reference, HostHeaderConditionConfig). */
const MAX_HOST_LENGTH = 128;

/**
 * Returns a problem for each rule that the values break. Without a service, they have no effect, and are not checked.
 * @param values legal each by itself.
 * @param region without it, the rules that depend on it are not checked.
 * @param keyOf adds the namespace to a key.
 */
export function checkExisting(
  values: ExistingRuleValues,
  region: string | undefined,
  keyOf: KeyOf,
): readonly Problem[] {
  if (values.edge === "api-gateway") return [];
  return [
    ...checkVpc(values, keyOf),
    ...checkSubnets(values, keyOf),
    ...checkRegions(values, region, keyOf),
    ...checkListener(values, keyOf),
  ];
}

function checkVpc(values: ExistingRuleValues, keyOf: KeyOf): readonly Problem[] {
  const { vpcId, publicSubnetIds, privateSubnetIds, listenerArn } = values;
  if (vpcId !== "") {
    if (!isEmpty(publicSubnetIds) || !isEmpty(privateSubnetIds)) return [];
    return [
      {
        key: keyOf("vpcId"),
        got: `${quote(vpcId)} without subnets`,
        expected: `IDs of subnets in ${keyOf("publicSubnetIds")} or ${keyOf("privateSubnetIds")}`,
        fix: [{ ask: keyOf("publicSubnetIds"), as: "list" }],
        alternative: [{ ask: keyOf("privateSubnetIds"), as: "list" }],
      },
    ];
  }
  const withoutVpc = (["publicSubnetIds", "privateSubnetIds"] as const).flatMap((name) =>
    isEmpty(values[name]) ? [] : [unusedKey(name, values[name], `because ${keyOf("vpcId")} is empty`, keyOf)],
  );
  return [
    ...withoutVpc.map((problem) => ({
      ...problem,
      fix: [{ ask: keyOf("vpcId") }],
      alternative: problem.fix,
    })),
    ...(listenerArn === ""
      ? []
      : [
          {
            key: keyOf("vpcId"),
            got: "nothing",
            expected: `the VPC of the load balancer of ${keyOf("listenerArn")}`,
            fix: [{ ask: keyOf("vpcId") }],
            alternative: [removal("listenerArn", keyOf)],
          },
        ]),
  ];
}

/** Checks the number of subnets, and that no subnet occurs twice. Without a list, the first rule reports it. */
function checkSubnets(values: ExistingRuleValues, keyOf: KeyOf): readonly Problem[] {
  const { vpcId, publicSubnetIds, privateSubnetIds, listenerArn, edge, originAccess, backplane } = values;
  if (vpcId === "" || (isEmpty(publicSubnetIds) && isEmpty(privateSubnetIds))) return [];
  const twice = [...(plainIds(publicSubnetIds) ?? []), ...(plainIds(privateSubnetIds) ?? [])].find(
    (id, index, all) => all.indexOf(id) !== index,
  );
  if (twice !== undefined) {
    return [
      {
        key: keyOf("privateSubnetIds"),
        got: `${twice} twice`,
        expected: `each subnet once, in ${keyOf("publicSubnetIds")} or in ${keyOf("privateSubnetIds")}`,
        fix: [{ ask: keyOf("publicSubnetIds"), as: "list" }],
        alternative: [{ ask: keyOf("privateSubnetIds"), as: "list" }],
      },
    ];
  }
  const forTasks = isEmpty(privateSubnetIds) ? "publicSubnetIds" : "privateSubnetIds";
  const isInternal = edge === "cloudfront" && originAccess === "private";
  const users = new Map<"publicSubnetIds" | "privateSubnetIds", string[]>();
  const use = (name: "publicSubnetIds" | "privateSubnetIds", user: string): void => {
    users.set(name, [...(users.get(name) ?? []), user]);
  };
  if (listenerArn === "") {
    use(
      isInternal ? forTasks : "publicSubnetIds",
      isInternal ? "an internal load balancer" : "a public load balancer",
    );
  }
  if (backplane === "valkey") use(forTasks, "the cache");
  return [...users].flatMap(([name, needing]) => {
    const count = countOf(values[name]);
    if (count === undefined || count >= MIN_SUBNETS) return [];
    return {
      key: keyOf(name),
      got: count === 1 ? "1 subnet" : "no subnet",
      expected: `at least ${MIN_SUBNETS} subnets in different availability zones, for ${needing.join(" and ")}`,
      fix: [{ ask: keyOf(name), as: "list" as const }],
      ...(name !== forTasks && edge === "cloudfront"
        ? { alternative: [{ set: keyOf("originAccess"), to: "private" }] }
        : {}),
    };
  });
}

function checkRegions(
  values: ExistingRuleValues,
  region: string | undefined,
  keyOf: KeyOf,
): readonly Problem[] {
  return (
    [
      ["clusterArn", CLUSTER_ARN],
      ["listenerArn", LISTENER_ARN],
    ] as const
  ).flatMap(([name, pattern]) => {
    const value = values[name];
    const other = typeof value === "string" ? pattern.exec(value)?.groups?.["region"] : undefined;
    if (region === undefined || other === undefined || other === region) return [];
    return {
      key: keyOf(name),
      got: `an ARN in ${other}`,
      expected: `one in ${region}, the region of the stack`,
      fix: [{ ask: keyOf(name) }],
    };
  });
}

/** Checks the keys that have another meaning with an existing listener, or none. */
function checkListener(values: ExistingRuleValues, keyOf: KeyOf): readonly Problem[] {
  const { listenerArn, edge, domain, hostedZoneId } = values;
  const key = keyOf("listenerArn");
  const unused = (name: Key, reason: string): Problem => unusedKey(name, values[name], reason, keyOf);
  if (listenerArn === "") {
    return isDefault("listenerRulePriority", values.listenerRulePriority)
      ? []
      : [unused("listenerRulePriority", `because ${key} is empty`)];
  }
  const problems: Problem[] = [];
  if (!isDefault("idleTimeoutSeconds", values.idleTimeoutSeconds)) {
    problems.push(
      unused("idleTimeoutSeconds", `because the load balancer of ${key} has its own idle timeout`),
    );
  }
  if (!isDefault("originCertificateArn", values.originCertificateArn)) {
    problems.push(unused("originCertificateArn", `because ${key} has its own certificates`));
  }
  if (edge === "cloudfront" && domain === "" && hostedZoneId !== "") {
    problems.push(
      unused("hostedZoneId", `because ${keyOf("domain")} is empty, and ${key} has its own DNS records`),
    );
  }
  if (edge === "load-balancer" && domain.length > MAX_HOST_LENGTH) {
    problems.push({
      key: keyOf("domain"),
      got: `${domain.length} characters`,
      expected: `at most ${MAX_HOST_LENGTH}, which a rule of ${key} can have`,
      fix: [{ ask: keyOf("domain") }],
    });
  }
  return problems;
}

/** Whether a list has no subnets. An output of another resource can have some. */
function isEmpty(ids: ExistingValues["publicSubnetIds"]): boolean {
  return countOf(ids) === 0;
}

/** The number of subnets; `undefined` for an output. */
function countOf(ids: ExistingValues["publicSubnetIds"]): number | undefined {
  return Array.isArray(ids) ? ids.length : undefined;
}

/** The IDs that are not outputs; `undefined` if the whole list is one. */
function plainIds(ids: ExistingValues["publicSubnetIds"]): readonly string[] | undefined {
  if (!Array.isArray(ids)) return undefined;
  const items: readonly pulumi.Input<string>[] = ids;
  return items.filter((id) => typeof id === "string");
}
