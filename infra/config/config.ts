/**
 * The stack's configuration: every key with its type, range and default, and the only reader of
 * `pulumi.Config`. Pulumi.yaml repeats keys, types, defaults and descriptions for the CLI; a test holds the two
 * together.
 */
import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import {
  allowedValues,
  collect,
  decode,
  hasUserInformation,
  quoteValue,
} from "../../app/src/settings/definition.ts";
import type { Definition, ValuesOf } from "../../app/src/settings/definition.ts";
import { nearest } from "../../app/src/settings/nearest.ts";
import {
  contradictions as settingContradictions,
  defaultSettings,
  KIB,
  leastRetainedBytes,
  MIB,
  REQUIRED_FOR_TOKENS,
  settingDefinitions,
} from "../../app/src/settings/settings.ts";
import type { Settings } from "../../app/src/settings/settings.ts";
import { channelBytes, CHANNELS_MEMORY_SHARE, channelsThatFit } from "./channelMemory.ts";
import { CONNECTION_BYTES, connectionsThatFit, serverBytes } from "./connectionMemory.ts";
import { ConfigError, stackFile } from "./configError.ts";
import type { Change, ConfigProblem } from "./configError.ts";
import { edgeDefinitions, edgeWarnings, readEdge } from "./edgeConfig.ts";
import type { EdgeConfig } from "./edgeConfig.ts";
import { CPU_CHOICES, memoryChoices } from "./fargateSizes.ts";
import { itemsOf, legal } from "./suggestedFixes.ts";
import { otherPartitionOf, REGIONS } from "./regions.ts";
import { brokenLinks } from "./timeouts.ts";

/** CloudWatch Logs keeps log events for one of these numbers of days (PutRetentionPolicy, retentionInDays). */
const LOG_RETENTION_DAYS = [
  1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
] as const;

/** More than a secret is ever renewed. */
const LAST_GENERATION = 1_000_000;

/** What the infrastructure adds to the server's own settings, besides {@link edgeDefinitions}. */
export const infrastructureDefinitions = {
  minTasks: {
    kind: "integer",
    unit: "tasks",
    default: 1,
    min: 1,
    max: 1000,
    description: "Tasks that always run",
  },
  maxTasks: {
    kind: "integer",
    unit: "tasks",
    default: 5,
    min: 1,
    max: 1000,
    description: "Tasks that the autoscaler may run",
  },
  requestsPerTarget: {
    kind: "integer",
    unit: "requests per minute",
    default: 1000,
    min: 1,
    max: 1_000_000,
    description: "Requests per task and minute that the autoscaler holds; opening a WebSocket is one request",
  },
  scaleOutCooldownSeconds: {
    kind: "integer",
    unit: "seconds",
    default: 60,
    min: 0,
    max: 3600,
    description: "Pause after adding tasks before the autoscaler may add more",
  },
  scaleInCooldownSeconds: {
    kind: "integer",
    unit: "seconds",
    default: 300,
    min: 0,
    max: 3600,
    description: "Pause after removing tasks before the autoscaler may remove more",
  },
  cpu: {
    kind: "choice",
    choices: CPU_CHOICES,
    default: 1024,
    description: "CPU units of a task; 1024 are one vCPU",
  },
  memoryMiB: {
    kind: "integer",
    unit: "MiB",
    default: 2048,
    min: 512,
    max: 249_856,
    description: "Memory of a task in MiB; Fargate has certain sizes for each cpu",
  },
  stopTimeoutSeconds: {
    kind: "integer",
    unit: "seconds",
    default: 60,
    min: 2,
    max: 120,
    description: "Time between SIGTERM and SIGKILL when a task stops",
  },
  idleTimeoutSeconds: {
    kind: "integer",
    unit: "seconds",
    default: 120,
    min: 1,
    max: 4000,
    description: "Silence after which the load balancer cuts a connection",
  },
  deregistrationDelaySeconds: {
    kind: "integer",
    unit: "seconds",
    default: 10,
    min: 0,
    max: 3600,
    description: "Time between taking a task out of the target group and its SIGTERM",
  },
  backplane: {
    kind: "choice",
    choices: ["memory", "valkey"],
    // Every other default allows several tasks, and a rolling deployment runs two even of one.
    default: "valkey",
    description: "What the tasks share their messages by; memory is one task's own, and allows no second one",
  },
  backplaneMaxGB: {
    kind: "integer",
    unit: "GB",
    default: 2,
    // ElastiCache API reference, DataStorage.
    min: 1,
    max: 5000,
    description: "Most that the valkey backplane may hold, and be paid for",
  },
  backplaneMaxEcpus: {
    kind: "integer",
    unit: "ECPUs per second",
    default: 5000,
    // ElastiCache API reference, ECPUPerSecond; and a slot, in which all channels lie, has 30,000 (ElastiCache User Guide,
    // ElastiCache Serverless scaling).
    min: 1000,
    max: 30_000,
    description:
      "Most ElastiCache processing units per second of the valkey backplane; a KiB is about one, written or read",
  },
  backplanePasswordGeneration: {
    kind: "integer",
    unit: "generations",
    default: 1,
    min: 1,
    max: LAST_GENERATION,
    description:
      "Raised by one, when the last time has succeeded, the tasks get a new password for the valkey backplane; the one before stays valid",
  },
  originHeaderName: {
    kind: "text",
    default: "X-Origin-Secret",
    // A listener rule takes 40 characters; the prefix keeps clear of every name that CloudFront refuses to set.
    pattern: /X-Origin-[A-Za-z0-9-]{1,31}/,
    allowed: "X-Origin- and up to 31 letters, digits and hyphens",
    description: "Header in which CloudFront sends the origin secret to the load balancer",
  },
  originSecretGeneration: {
    kind: "integer",
    unit: "generations",
    default: 1,
    min: 1,
    max: LAST_GENERATION,
    description: "Raised by one, CloudFront sends a new origin secret; the one before stays valid",
  },
  priceClass: {
    kind: "choice",
    choices: ["PriceClass_100", "PriceClass_200", "PriceClass_All"],
    default: "PriceClass_100",
    description: "CloudFront locations that serve the stack",
  },
  logRetentionDays: {
    kind: "choice",
    choices: LOG_RETENTION_DAYS,
    default: 30,
    description: "Days that logs are kept",
  },
  retainData: {
    kind: "boolean",
    default: false,
    description: "Whether logs and images outlive the stack",
  },
  enableExec: {
    kind: "boolean",
    default: false,
    description: "Whether ECS Exec may run commands in a task; what its sessions print is logged",
  },
  protect: {
    kind: "boolean",
    default: false,
    description:
      "Whether deleting or replacing the distribution, the load balancer, the service or the backplane is refused",
  },
} as const satisfies Record<string, Definition>;

/**
 * Where a container listens is not a stack's to choose: nothing else lives in it, and the ports are told to whoever
 * must know them. How it reaches Valkey follows from the backplane, and how many proxies are in front of it from the edge.
 */
const {
  host,
  port,
  trustedProxies,
  serviceName,
  metricsPort,
  valkeyUrl,
  valkeyPassword,
  valkeyCluster,
  valkeyBudgetMib,
  ...configurableSettings
} = settingDefinitions;

/** Every key of the project's own namespace, in the order of Pulumi.yaml. */
export const configDefinitions = {
  ...edgeDefinitions,
  ...infrastructureDefinitions,
  ...configurableSettings,
};

/** Each of them appends the address of its client to X-Forwarded-For: CloudFront, and the load balancer. */
const TRUSTED_PROXIES: Readonly<Record<EdgeConfig["kind"], number>> = {
  cloudfront: 2,
  "load-balancer": 1,
  "api-gateway": 0,
};

/** A stack's configuration; see {@link infrastructureDefinitions} for units, ranges and defaults. */
export interface StackConfig extends ValuesOf<typeof infrastructureDefinitions> {
  /** Pulumi project and stack. */
  readonly project: string;
  readonly stack: string;
  /** From `aws:region`. */
  readonly region: aws.Region;
  /** AWS profile for credentials, from `aws:profile`. */
  readonly profile: string | undefined;
  /** Accounts that may be deployed to, from `aws:allowedAccountIds`. */
  readonly allowedAccountIds: readonly string[] | undefined;
  /** What clients connect to. */
  readonly edge: EdgeConfig;
  /** What the server in a task is told. */
  readonly settings: Settings;
}

/**
 * Reads and checks the configuration of the current stack.
 * @throws {ConfigError} listing every wrong, missing and unknown key; or, where each value is legal by itself,
 * everything that does not fit together. Each comes with what mends it.
 */
export function readConfig(): StackConfig {
  const project = pulumi.getProject();
  const stack = pulumi.getStack();
  const key = (name: string): string => `${project}:${name}`;
  const problems: ConfigProblem[] = [];
  const own = new pulumi.Config();
  const values = collect(configDefinitions, (definition, name) => {
    const text = own.get(name);
    if (text === undefined || (name === "access" && text === "")) return definition.default;
    // Pulumi hands out a list as JSON, and refuses a stack where it is anything else.
    const value = definition.kind === "list" && !text.startsWith("[") ? undefined : decode(definition, text);
    if (value !== undefined) return value;
    problems.push({
      key: key(name),
      message: `is ${quoteValue(text)}, and must be ${allowedValues(definition)}.`,
      ...(name === "access"
        ? accessChoices(own, key)
        : {
            fix: [
              isEncrypted(key(name))
                ? { ask: key(name), secret: true }
                : legal(definition, name, text, key(name)),
            ],
          }),
    });
    return definition.default;
  });
  // An API Gateway is no workload of this stack.
  if (values.edge !== "api-gateway" && (own.get("access") ?? "") === "") {
    problems.push({
      key: key("access"),
      message:
        `is missing, and must be ${allowedValues(settingDefinitions.access)}: token admits clients with a valid token, ` +
        "open lets every client that knows the address read and publish.",
      ...accessChoices(own, key),
    });
  }

  problems.push(...unknownKeys(project));

  const { region, ...provider } = readProviderConfig(problems);

  // What relates several values makes sense only where each is legal by itself.
  if (region === undefined || problems.length > 0)
    throw new ConfigError(withoutSecrets(problems), stackFile(stack));

  const infrastructure = pick(values, infrastructureDefinitions);
  const settings: Settings = {
    ...defaultSettings(),
    ...pick(values, configurableSettings),
    // The load balancer reaches a task at its address in the subnet.
    host: "0.0.0.0",
    serviceName: `${project}-${stack}`,
  };
  const read = readEdge(pick(values, edgeDefinitions), region, key);
  if ("problems" in read) {
    for (const { name, message, fix } of read.problems) {
      const change: Change =
        "remove" in fix
          ? { remove: key(fix.remove), default: asJson(edgeDefinitions[fix.remove].default) }
          : { set: key(fix.set), to: fix.to };
      problems.push({ key: key(name), message, fix: [change] });
    }
  }
  if (values.edge !== "api-gateway") problems.push(...contradictions({ ...infrastructure, settings }, key));
  if ("problems" in read || problems.length > 0)
    throw new ConfigError(withoutSecrets(problems), stackFile(stack));

  const { edge } = read;
  return {
    ...infrastructure,
    project,
    stack,
    region,
    ...provider,
    edge,
    settings: { ...settings, trustedProxies: TRUSTED_PROXIES[edge.kind] },
  };
}

/** The two ways to choose who may connect. The first sets what tokens require, as far as it is not set. */
function accessChoices(
  own: pulumi.Config,
  key: (name: string) => string,
): Required<Pick<ConfigProblem, "fix" | "alternative">> {
  const missing = REQUIRED_FOR_TOKENS.filter((name) => (own.get(name) ?? "") === "");
  return {
    fix: [{ set: key("access"), to: "token" }, ...missing.map((name) => ({ ask: key(name), secret: false }))],
    alternative: [{ set: key("access"), to: "open" }],
  };
}

/** What stands in a message for a value that is encrypted in the stack's file. */
const HIDDEN = "[secret]";

/** Problems are read in logs and in comments on pull requests. */
function withoutSecrets(problems: readonly ConfigProblem[]): readonly ConfigProblem[] {
  const secrets = Object.entries(pulumi.runtime.allConfig())
    .filter(([name, value]) => value !== "" && isEncrypted(name))
    .flatMap(([, value]) => [value, JSON.stringify(value).slice(1, -1)])
    .map((value) => new RegExp(`(?<!\\w)${value.replaceAll(/[^\w\s]/g, "\\$&")}(?!\\w)`, "g"));
  const hide = (text: string): string => secrets.reduce((said, secret) => said.replace(secret, HIDDEN), text);
  return problems.map(({ message, fix, ...problem }) => ({
    ...problem,
    message: hide(message),
    fix: fix.map((change) => {
      if (!("set" in change)) return change;
      const { to } = change;
      if ([to].flat().some(hasUserInformation)) return { ask: change.set, secret: false };
      return { ...change, to: typeof to === "string" ? hide(to) : to.map(hide) };
    }),
  }));
}

function isEncrypted(key: string): boolean {
  // The SDK has this function, and does not declare it (pulumi/pulumi: sdk/nodejs/runtime/config.ts).
  const { isConfigSecret } = pulumi.runtime as typeof pulumi.runtime & {
    isConfigSecret: (key: string) => boolean;
  };
  return isConfigSecret(key);
}

/** The keys of the provider's own namespace that reach it. It is explicit, and would take none by itself. */
const PROVIDER_KEYS = ["region", "profile", "allowedAccountIds"] as const;

const ACCOUNT_ID = /^\d{12}$/;
const EXAMPLE_ACCOUNT_ID = "123456789012";

function readProviderConfig(
  problems: ConfigProblem[],
): Partial<Pick<StackConfig, "region">> & Pick<StackConfig, "profile" | "allowedAccountIds"> {
  const config = new pulumi.Config("aws");
  const text = config.get("region");
  const region = REGIONS.find((candidate) => candidate === text);
  if (region === undefined) {
    const partition = otherPartitionOf(text ?? "");
    const near = partition === undefined ? nearest(text ?? "", REGIONS) : undefined;
    const meant = REGIONS.find((candidate) => candidate === near);
    problems.push({
      key: "aws:region",
      message:
        text === undefined
          ? "is missing, and must be an AWS region."
          : partition === undefined
            ? `is ${quoteValue(text)}, which is no AWS region${meant === undefined ? "." : `; did you mean ${meant}?`}`
            : `is ${quoteValue(text)}, and regions ${partition}* are not supported: they belong to another AWS partition.`,
      fix: [{ set: "aws:region", to: meant ?? aws.Region.USEast1 }],
    });
  }
  return {
    ...(region !== undefined && { region }),
    profile: config.get("profile"),
    allowedAccountIds: readAccountIds(config.get("allowedAccountIds"), problems),
  };
}

function readAccountIds(text: string | undefined, problems: ConfigProblem[]): readonly string[] | undefined {
  if (text === undefined) return undefined;
  const ids = itemsIn(text)?.map(String);
  if (ids?.every((id) => ACCOUNT_ID.test(id)) === true) return ids;
  const written = text.match(/\b\d{12}\b/g);
  problems.push({
    key: "aws:allowedAccountIds",
    message: `is ${quoteValue(text)}, and must be a list of account ids, of 12 digits each.`,
    fix: [{ set: "aws:allowedAccountIds", to: written ?? [EXAMPLE_ACCOUNT_ID] }],
  });
  return undefined;
}

/** The items of a list, which Pulumi hands out as JSON. */
function itemsIn(text: string): readonly unknown[] | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** What a legal configuration should still be told about. */
export function configWarnings(config: StackConfig): readonly string[] {
  const warnings = [...edgeWarnings(config.edge, config.region, (name) => `${config.project}:${name}`)];
  if (config.edge.kind === "api-gateway") return warnings;
  if (config.backplane === "memory") {
    warnings.push(
      `${config.project}:backplane is memory: a deployment stops the task before it starts the next one, so clients ` +
        "find nobody for about a minute, and what the task retained is lost.",
    );
  }
  if (config.settings.access === "open" && config.protect) {
    warnings.push(
      `${config.project}:access is open in a stack that ${config.project}:protect protects: every client that knows the ` +
        "address reads and publishes every message. token admits clients with a valid token only.",
    );
  }
  return warnings;
}

/** Values of the workload that are legal each by itself, and not together. */
function contradictions(
  config: Pick<StackConfig, keyof typeof infrastructureDefinitions | "settings">,
  key: (name: string) => string,
): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const set = (name: string, value: string | number): Change[] => [{ set: key(name), to: String(value) }];

  if (config.minTasks > config.maxTasks) {
    problems.push({
      key: key("minTasks"),
      message: `is ${config.minTasks}, and must not be above ${key("maxTasks")}, which is ${config.maxTasks}.`,
      // One task is all that a backplane in memory may have.
      fix:
        config.backplane === "memory" ? set("minTasks", config.maxTasks) : set("maxTasks", config.minTasks),
    });
  }

  if (config.backplane === "memory" && config.maxTasks > 1) {
    problems.push({
      key: key("backplane"),
      message:
        `is memory, which several tasks do not share, and ${key("maxTasks")} is ${config.maxTasks}: it must be valkey, or ` +
        `${key("maxTasks")} 1.`,
      fix: set("backplane", "valkey"),
    });
  }

  const sizes = memoryChoices(config.cpu);
  const [smallest] = sizes;
  if (!sizes.includes(config.memoryMiB) && smallest !== undefined) {
    problems.push({
      key: key("memoryMiB"),
      message:
        `is ${config.memoryMiB}, and Fargate has no such size: with ${key("cpu")} ${config.cpu} it must be ` +
        `one of ${sizes.join(", ")}.`,
      fix: set("memoryMiB", sizes.findLast((size) => size <= config.memoryMiB) ?? smallest),
    });
  } else {
    const channels = tooManyChannels(config, key);
    problems.push(...channels);
    // What the channels leave is known only when they fit.
    if (channels.length === 0) problems.push(...tooManyConnections(config, sizes, key));
  }

  const { jwksUrl } = config.settings;
  if (jwksUrl !== "" && jwksUrl !== reachable(jwksUrl)) {
    problems.push({
      key: key("jwksUrl"),
      message: `is ${JSON.stringify(jwksUrl)}, and must be https:// without a port: tasks may call port 443 only.`,
      fix: set("jwksUrl", reachable(jwksUrl)),
    });
  }

  for (const { name, message, value } of settingContradictions(config.settings, key)) {
    const fix = value === undefined ? [{ ask: key(name), secret: false }] : set(name, value);
    problems.push({ key: key(name), message, fix });
  }

  for (const { name, message, value } of brokenLinks({
    heartbeatSeconds: config.settings.heartbeatSeconds,
    idleTimeoutSeconds: config.idleTimeoutSeconds,
    drainSeconds: config.settings.drainSeconds,
    stopTimeoutSeconds: config.stopTimeoutSeconds,
  })) {
    problems.push({ key: key(name), message, fix: set(name, value) });
  }
  return problems;
}

function tooManyChannels(
  config: Pick<StackConfig, "memoryMiB" | "backplane" | "settings">,
  key: (name: string) => string,
): ConfigProblem[] {
  const { memoryMiB, settings } = config;
  const { maxChannels, retainedBytes, retainedMessages } = settings;
  const most = channelsThatFit(config);
  if (maxChannels <= most) return [];
  return [
    {
      key: key("maxChannels"),
      message:
        `is ${maxChannels}, and ${most === 0 ? "not even one fits" : `must be at most ${most}`}: with ` +
        `${key("retainedBytes")} ${retainedBytes} and ${key("retainedMessages")} ${retainedMessages} a channel takes up to ` +
        `${(channelBytes(config) / MIB).toFixed(1)} MiB, and all may take ${CHANNELS_MEMORY_SHARE * 100} % of ` +
        `${key("memoryMiB")}, which is ${memoryMiB}.`,
      fix:
        most === 0
          ? [
              { set: key("retainedBytes"), to: String(leastRetainedBytes(settings)) },
              { set: key("retainedMessages"), to: String(settingDefinitions.retainedMessages.default) },
            ]
          : [{ set: key("maxChannels"), to: String(most) }],
    },
  ];
}

/** @param sizes the memory that a task may have, in MiB. */
function tooManyConnections(
  config: Pick<StackConfig, "memoryMiB" | "backplane" | "settings">,
  sizes: readonly number[],
  key: (name: string) => string,
): ConfigProblem[] {
  const { memoryMiB, settings } = config;
  const { maxConnections, maxChannels, maxPayloadBytes } = settings;
  const most = connectionsThatFit(config);
  if (maxConnections <= most) return [];
  const inMiB = (bytes: number): number => Math.ceil(bytes / MIB);
  const larger = sizes.find((size) => connectionsThatFit({ ...config, memoryMiB: size }) >= maxConnections);
  return [
    {
      key: key("maxConnections"),
      message:
        `is ${maxConnections}, and ${most === 0 ? "not even one fits" : `must be at most ${most}`}: of ` +
        `${key("memoryMiB")}, which is ${memoryMiB}, ${key("maxChannels")} ${maxChannels} takes up to ` +
        `${inMiB(maxChannels * channelBytes(config))} MiB, the server with ${key("maxPayloadBytes")} ${maxPayloadBytes} ` +
        `up to ${inMiB(serverBytes(settings))} MiB, and each connection ${CONNECTION_BYTES / KIB} KiB.`,
      // The larger size has room for them beside as many channels.
      fix:
        most === 0 && larger !== undefined
          ? [{ set: key("memoryMiB"), to: String(larger) }]
          : [{ set: key("maxConnections"), to: String(most) }],
    },
  ];
}

/** The same URL as a task's security group lets it be called: it opens port 443 only. */
function reachable(url: string): string {
  const target = new URL(url);
  // The URL of a default port has none.
  if (target.protocol === "https:" && target.port === "") return url;
  target.port = "";
  target.protocol = "https:";
  return target.href;
}

/** Keys that nobody reads: with a typo, a setting would silently keep its default. */
function unknownKeys(project: string): ConfigProblem[] {
  const namesByNamespace: Readonly<Record<string, readonly string[]>> = {
    [project]: Object.keys(configDefinitions),
    aws: PROVIDER_KEYS,
  };
  const known = Object.entries(namesByNamespace).flatMap(([namespace, names]) =>
    names.map((name) => `${namespace}:${name}`),
  );

  const definitions: Readonly<Record<string, Definition>> = configDefinitions;
  return Object.entries(pulumi.runtime.allConfig()).flatMap(([key, text]) => {
    if (known.includes(key)) return [];
    const [namespace = "", name = ""] = key.split(/:(.*)/s);
    const names = namesByNamespace[namespace];
    // Other namespaces belong to other providers, unless they look like a slip of ours.
    if (names === undefined && nearest(namespace, [project]) === undefined) return [];
    const near = nearest(name, names ?? []);
    const meant = near === undefined ? meantElsewhere(key, name, known, names) : `${namespace}:${near}`;
    const meantName = meant?.replace(`${project}:`, "") ?? "";
    const definition = definitions[meantName];
    const to = definition?.kind === "list" ? itemsOf(definition, meantName, text) : text;
    return {
      key,
      message: `is not a key; ${meant === undefined ? `there are ${(names ?? known).join(", ")}.` : `did you mean ${meant}?`}`,
      fix: [
        ...(meant === undefined
          ? []
          : [isEncrypted(key) ? { ask: meant, secret: true } : { set: meant, to }]),
        { remove: key },
      ],
    };
  });
}

/** The key of another namespace that was probably meant. */
function meantElsewhere(
  key: string,
  name: string,
  known: readonly string[],
  names: readonly string[] | undefined,
): string | undefined {
  const namesake = known.find((candidate) => candidate.endsWith(`:${name}`));
  return namesake ?? (names === undefined ? nearest(key, known) : undefined);
}

/** As `-c` takes it: a list is JSON. */
function asJson(value: string | readonly string[]): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function pick<
  Wanted extends Record<string, unknown>,
  Values extends { readonly [K in keyof Wanted]: unknown },
>(values: Values, wanted: Wanted): Pick<Values, keyof Wanted & keyof Values> {
  const names = new Set(Object.keys(wanted));
  // Object.entries forgets which keys it was given.
  return Object.fromEntries(Object.entries(values).filter(([name]) => names.has(name))) as Pick<
    Values,
    keyof Wanted & keyof Values
  >;
}
