/** The configuration of a stack. This is the only module that reads it with `pulumi.Config`, besides its parts. */
import * as pulumi from "@pulumi/pulumi";
import { allowedValues, collect, decode, quoteValue } from "../../app/src/settings/definition.ts";
import type { ValuesOf } from "../../app/src/settings/definition.ts";
import type { Problem } from "../../app/src/settings/problem.ts";
import { REQUIRED_FOR_TOKENS } from "../../app/src/settings/relations.ts";
import { defaultSettings, settingDefinitions } from "../../app/src/settings/settings.ts";
import type { Settings } from "../../app/src/settings/settings.ts";
import { ConfigError, stackFile } from "./configError.ts";
import { configDefinitions, configurableSettings, infrastructureDefinitions } from "./definitions.ts";
import { edgeWarnings, readEdge } from "./edgeConfig.ts";
import type { EdgeConfig } from "./edgeConfig.ts";
import { edgeDefinitions } from "./edgeDefinitions.ts";
import { readProviderConfig } from "./providerConfig.ts";
import { hideSecrets, isEncrypted } from "./secrets.ts";
import type { StackConfig } from "./stackConfig.ts";
import { suggestFix } from "./suggestedFixes.ts";
import { findUnknownKeys } from "./unknownKeys.ts";
import { scalingWarnings } from "./rules/scalingRules.ts";
import { scheduleWarnings } from "./rules/scheduleRules.ts";
import { checkWorkload } from "./rules/workloadRules.ts";

/** Proxies that append the address of their client to X-Forwarded-For: CloudFront and the load balancer. */
const TRUSTED_PROXIES: Readonly<Record<EdgeConfig["kind"], number>> = {
  cloudfront: 2,
  "load-balancer": 1,
  "api-gateway": 0,
};

/**
 * Reads and checks the configuration of the current stack.
 * @throws {ConfigError} listing every wrong, missing and unknown key, and every contradiction between the other keys. Each
 * problem comes with its fix.
 */
export function readConfig(): StackConfig {
  const project = pulumi.getProject();
  const stack = pulumi.getStack();
  const keyOf = (name: string): string => `${project}:${name}`;
  const problems: Problem[] = [];
  const refuse = (): never => {
    throw new ConfigError(hideSecrets(problems), stackFile(stack));
  };

  const values = readValues(keyOf, problems);
  const providerProblems: Problem[] = [];
  const { region, ...provider } = readProviderConfig(providerProblems);
  const settingsOf = (all: ConfigValues): Settings => ({
    ...defaultSettings(),
    ...pick(all, configurableSettings),
    // The load balancer reaches a task at its address in the subnet.
    host: "0.0.0.0",
    serviceName: `${project}-${stack}`,
  });
  const check = (all: ConfigValues): readonly Problem[] => {
    const edge = region === undefined ? undefined : readEdge(pick(all, edgeDefinitions), region, keyOf);
    const workload = { ...pick(all, infrastructureDefinitions), settings: settingsOf(all) };
    return [
      ...(edge !== undefined && "problems" in edge ? edge.problems : []),
      ...(all.edge === "api-gateway" ? [] : checkWorkload(workload, keyOf)),
    ];
  };
  problems.push(...findUnknownKeys(project, (name, value) => check({ ...values, [name]: value })));
  problems.push(...providerProblems);
  problems.push(...withoutWrongKeys(check(values), problems, keyOf));
  const read = region === undefined ? undefined : readEdge(pick(values, edgeDefinitions), region, keyOf);
  if (region === undefined || read === undefined || "problems" in read || problems.length > 0)
    return refuse();

  const settings = settingsOf(values);

  const { edge } = read;
  return {
    ...pick(values, infrastructureDefinitions),
    project,
    stack,
    region,
    ...provider,
    edge,
    settings: { ...settings, trustedProxies: TRUSTED_PROXIES[edge.kind] },
  };
}

type ConfigValues = ValuesOf<typeof configDefinitions>;

/** Keys on which rules depend without naming them. */
const DECISIVE_KEYS = ["edge", "backplane"];

/** Keys with a rule that depends on many others. */
const DEPENDENT_KEYS = ["maxChannels", "maxConnections"];

/** The contradictions between keys that have no problem of their own: a key with a problem has its default here. */
function withoutWrongKeys(
  contradictions: readonly Problem[],
  problems: readonly Problem[],
  keyOf: (name: string) => string,
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

/** Reads the project's own keys. A key with a problem has its default. */
function readValues(keyOf: (name: string) => string, problems: Problem[]): ConfigValues {
  const config = new pulumi.Config();
  const values = collect(configDefinitions, (definition, name) => {
    const text = config.get(name);
    if (text === undefined || (name === "access" && text === "")) return definition.default;
    // Pulumi returns a list as JSON, and rejects a stack file with anything else.
    const value = definition.kind === "list" && !text.startsWith("[") ? undefined : decode(definition, text);
    if (value !== undefined) return value;
    const key = keyOf(name);
    problems.push({
      key,
      got: quoteValue(text),
      expected: allowedValues(definition),
      ...(name === "access"
        ? accessChoices(config, keyOf)
        : { fix: [isEncrypted(key) ? { ask: key, as: "secret" } : suggestFix(definition, name, text, key)] }),
    });
    return definition.default;
  });
  // A stack with only an API Gateway has no tasks.
  if (values.edge !== "api-gateway" && (config.get("access") ?? "") === "") {
    problems.push({
      key: keyOf("access"),
      got: "nothing",
      expected:
        `${allowedValues(settingDefinitions.access)} (token admits clients with a valid token, open lets every client ` +
        "that has the address read and publish)",
      ...accessChoices(config, keyOf),
    });
  }
  return values;
}

/** The two choices of access. The first one also sets the keys that tokens require and that are not set. */
function accessChoices(
  config: pulumi.Config,
  keyOf: (name: string) => string,
): Required<Pick<Problem, "fix" | "alternative">> {
  const missing = REQUIRED_FOR_TOKENS.filter((name) => (config.get(name) ?? "") === "");
  return {
    fix: [{ set: keyOf("access"), to: "token" }, ...missing.map((name) => ({ ask: keyOf(name) }))],
    alternative: [{ set: keyOf("access"), to: "open" }],
  };
}

/** Warnings about a legal configuration, as sentences. */
export function configWarnings(config: StackConfig): readonly string[] {
  const keyOf = (name: string): string => `${config.project}:${name}`;
  const warnings = [...edgeWarnings(config.edge, config.region, keyOf)];
  if (config.edge.kind === "api-gateway") return warnings;
  warnings.push(...scalingWarnings(config, keyOf), ...scheduleWarnings(config, keyOf));
  if (config.backplane === "memory") {
    warnings.push(
      `${keyOf("backplane")} is memory: a deployment stops the task before it starts the next one, so clients cannot ` +
        "connect for about a minute, and the retained messages are lost.",
    );
  }
  if (config.settings.access === "open" && config.protect) {
    warnings.push(
      `${keyOf("access")} is open in a stack with ${keyOf("protect")}: every client that has the address can read and ` +
        "publish every message. With token, only clients with a valid token can.",
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
