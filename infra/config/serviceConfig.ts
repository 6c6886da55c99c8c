/** The configuration of a service: the values of all keys, checked against each other, in the form that the components need. */
import type { Problem } from "../../app/src/settings/problem.ts";
import { defaultSettings } from "../../app/src/settings/settings.ts";
import type { Settings } from "../../app/src/settings/settings.ts";
import { configurableSettings, infrastructureDefinitions } from "./definitions.ts";
import type { configDefinitions } from "./definitions.ts";
import { edgeWarnings, readEdge } from "./edgeConfig.ts";
import type { EdgeConfig } from "./edgeConfig.ts";
import { readExisting } from "./existingConfig.ts";
import type { ExistingConfig } from "./existingConfig.ts";
import { checkExisting } from "./rules/existingRules.ts";
import type { KeyValues } from "./keyDefinition.ts";
import { backplaneBudgetMib } from "./rules/backplaneBudget.ts";
import { defaultCacheMib } from "./rules/cacheMemory.ts";
import { subscriptionsThatFit } from "./rules/connectionMemory.ts";
import { scalingWarnings } from "./rules/scalingRules.ts";
import { scheduleWarnings } from "./rules/scheduleRules.ts";
import type { ServerImage } from "./ownServer/serverImage.ts";
import { separateTokenInputs } from "./tokenInputs.ts";
import type { TokenInputs } from "./tokenInputs.ts";
import { checkOwnWorkload, checkWorkload } from "./rules/workloadRules.ts";

/** A value for each key, legal by itself. */
export type ConfigValues = KeyValues<typeof configDefinitions>;

/** See {@link infrastructureDefinitions} for units, ranges and defaults. */
export interface ServiceConfig extends KeyValues<typeof infrastructureDefinitions> {
  /** What clients connect to. */
  readonly edge: EdgeConfig;
  /** Resources of others that the service uses. */
  readonly existing: ExistingConfig;
  /** The settings of our server. They have no effect beside `image`. */
  readonly settings: Settings;
  /** Settings whose values are outputs of other resources. In `settings`, they have a placeholder. */
  readonly tokenInputs: TokenInputs;
  /** Another server than ours. */
  readonly image: ServerImage | undefined;
}

/** Where the values come from. */
export interface ValueSource {
  /** Returns the name under which the user sets a value, such as `websocket:minTasks`. */
  readonly keyOf: (name: string) => string;
  /** Region of the resources. Without it, the rules that depend on the region are not checked. */
  readonly region?: string | undefined;
  /** Another server than ours, to which the rules about our server do not apply. */
  readonly image?: ServerImage | undefined;
  /** Whether a metric of the user scales the tasks. */
  readonly hasScalingMetric?: boolean;
}

/** Proxies that append the address of their client to X-Forwarded-For: CloudFront and the load balancer. */
const TRUSTED_PROXIES: Readonly<Record<EdgeConfig["kind"], number>> = {
  cloudfront: 2,
  "load-balancer": 1,
  "api-gateway": 0,
};

/**
 * Checks the values against each other.
 * @param serviceName value of the dimension ServiceName of the metrics in CloudWatch.
 * @returns the configuration, or at least one problem.
 */
export function resolveValues(
  values: ConfigValues,
  serviceName: string,
  { keyOf, region, image, hasScalingMetric = false }: ValueSource,
): { readonly config: ServiceConfig } | { readonly problems: readonly Problem[] } {
  const read = readEdge(values, region, keyOf);
  const infrastructure = pick(values, infrastructureDefinitions);
  const tokens = separateTokenInputs(values);
  const given: Settings = {
    ...defaultSettings(),
    ...pick(values, configurableSettings),
    ...tokens.plain,
    // The load balancer reaches a task at its address in the subnet.
    host: "0.0.0.0",
    serviceName,
    valkeyBudgetMib: values.backplane === "valkey" ? backplaneBudgetMib(values.backplaneMaxGB) : 0,
    cacheMib: values.cacheMiB === 0 ? defaultCacheMib(values) : values.cacheMiB,
    trustedProxies: TRUSTED_PROXIES[values.edge],
  };
  const settings = { ...given, maxSubscriptions: subscriptionsThatFit({ ...values, settings: given }) };
  // The load balancer of an existing listener has its own idle timeout, which is checked when it is looked up.
  const idle = values.listenerArn === "" ? {} : { idleTimeoutSeconds: Infinity };
  const workload = { ...infrastructure, ...idle, settings, hasScalingMetric };
  const checkServer = image === undefined ? checkWorkload : checkOwnWorkload;
  const problems = [
    ...("problems" in read ? read.problems : []),
    ...checkExisting(values, region, keyOf),
    ...(values.edge === "api-gateway" ? [] : checkServer(workload, keyOf)),
  ];
  if ("problems" in read || problems.length > 0) return { problems };
  return {
    config: {
      ...infrastructure,
      edge: read.edge,
      existing: readExisting(values),
      settings,
      tokenInputs: tokens.inputs,
      image,
    },
  };
}

/** Keys on which rules depend without naming them. */
const DECISIVE_KEYS = ["edge", "backplane"];

/** Keys with a rule that depends on many others. */
const DEPENDENT_KEYS = ["cacheMiB", "maxConnections"];

/** Returns the contradictions between keys that have no problem of their own: a key with a problem has its default here. */
export function withoutWrongKeys(
  contradictions: readonly Problem[],
  problems: readonly Problem[],
  keyOf: ValueSource["keyOf"],
): readonly Problem[] {
  if (problems.length === 0) return contradictions;
  const wrong = problems.flatMap(({ key, fix }) => [
    key,
    ...fix.map((change) => ("set" in change ? change.set : "ask" in change ? change.ask : change.remove)),
  ]);
  if (DECISIVE_KEYS.some((name) => wrong.includes(keyOf(name)))) return [];
  return contradictions.filter((contradiction) => {
    const words = JSON.stringify(contradiction).split(/[^\w:]+/);
    return (
      !DEPENDENT_KEYS.some((name) => contradiction.key === keyOf(name)) &&
      !wrong.some((key) => words.includes(key))
    );
  });
}

/** Warnings about a legal configuration, as sentences. */
export function configWarnings(config: ServiceConfig, region: string): readonly string[] {
  const warnings = [...edgeWarnings(config.edge, region)];
  if (config.edge.kind === "api-gateway") return warnings;
  if (config.image !== undefined) return [...warnings, ...scheduleWarnings(config)];
  warnings.push(...scalingWarnings(config), ...scheduleWarnings(config));
  if (config.backplane === "memory") {
    warnings.push(
      "backplane is memory: a deployment stops the task before it starts the next one, so clients cannot connect for about a " +
        "minute, and the retained messages are lost.",
    );
  }
  if (config.settings.access === "open" && config.protect) {
    warnings.push(
      "access is open in a stack with protect: every client that has the address can read and publish every message. With " +
        "token, only clients with a valid token can.",
    );
  }
  return warnings;
}

function pick<
  Wanted extends Record<string, unknown>,
  Values extends { readonly [K in keyof Wanted]: unknown },
>(values: Values, wanted: Wanted): Pick<Values, keyof Wanted & keyof Values> {
  const names = new Set(Object.keys(wanted));
  // Object.entries widens the keys to strings.
  return Object.fromEntries(Object.entries(values).filter(([name]) => names.has(name))) as Pick<
    Values,
    keyof Wanted & keyof Values
  >;
}
