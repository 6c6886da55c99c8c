/** The keys of a stack's configuration, with their types, ranges, defaults and descriptions. `npm run docs` writes them to Pulumi.yaml. */
import { settingDefinitions } from "../../app/src/settings/settings.ts";
import { edgeDefinitions } from "./edgeDefinitions.ts";
import { existingDefinitions } from "./existingDefinitions.ts";
import { CPU_CHOICES } from "./data/fargateSizes.ts";
import type { KeyDefinition } from "./keyDefinition.ts";
import { scalingDefinitions } from "./scalingDefinitions.ts";

/** CloudWatch Logs keeps log events for one of these numbers of days (PutRetentionPolicy, retentionInDays). */
const LOG_RETENTION_DAYS = [
  1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
] as const;

/** More rotations than a secret ever has. */
const MAX_GENERATION = 1_000_000;

/** The keys of the infrastructure, except {@link edgeDefinitions} and {@link existingDefinitions}. */
export const infrastructureDefinitions = {
  ...scalingDefinitions,
  cpu: {
    kind: "choice",
    choices: CPU_CHOICES,
    default: 1024,
    description: "CPU units of a task; 1024 units are one vCPU",
  },
  memoryMiB: {
    kind: "integer",
    unit: "MiB",
    default: 2048,
    min: 512,
    max: 249_856,
    description: "Memory of a task in MiB; Fargate offers certain sizes for each value of cpu",
  },
  cacheMiB: {
    kind: "integer",
    unit: "MiB",
    default: 0,
    min: 0,
    max: settingDefinitions.cacheMib.max,
    description:
      "Memory of a task for the recent messages of all channels, in MiB; 0 derives it from memoryMiB; with backplane memory, the log has as much again",
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
    description: "Time without data after which the load balancer closes a connection",
  },
  deregistrationDelaySeconds: {
    kind: "integer",
    unit: "seconds",
    default: 10,
    min: 0,
    max: 3600,
    description: "Time between deregistering a task from the target group and sending it SIGTERM",
  },
  backplane: {
    kind: "choice",
    choices: ["memory", "valkey"],
    // The other defaults allow several tasks, and a rolling deployment runs two.
    default: "valkey",
    description: "Store of the messages of all tasks: valkey, or the memory of a single task",
  },
  backplaneMaxGB: {
    kind: "integer",
    unit: "GB",
    default: 2,
    // ElastiCache API reference, DataStorage.
    min: 1,
    max: 5000,
    description: "Maximum Valkey storage in GB (caps the cost)",
  },
  backplaneMaxEcpus: {
    kind: "integer",
    unit: "ECPUs per second",
    default: 5000,
    // ElastiCache API reference, ECPUPerSecond. The channels are in 64 hash slots (app/src/log/valkey/connection/partitions.ts), of
    // which each has at most 30,000 (ElastiCache User Guide, Scaling ElastiCache Serverless).
    min: 1000,
    max: 64 * 30_000,
    description:
      "Maximum ElastiCache processing units (ECPUs) of Valkey per second (caps the cost); reading or writing 1 KiB takes about one",
  },
  backplanePasswordGeneration: {
    kind: "integer",
    unit: "generations",
    default: 1,
    min: 1,
    max: MAX_GENERATION,
    description:
      "Increment to rotate the Valkey password, after the previous rotation has finished; the previous password stays valid",
  },
  originHeaderName: {
    kind: "text",
    default: "X-Origin-Secret",
    // A listener rule allows 40 characters. CloudFront rejects no name with this prefix.
    pattern: /X-Origin-[A-Za-z0-9-]{1,31}/,
    allowed: "X-Origin- and up to 31 letters, digits and hyphens",
    description: "Header in which CloudFront sends the origin secret to the load balancer",
  },
  originSecretGeneration: {
    kind: "integer",
    unit: "generations",
    default: 1,
    min: 1,
    max: MAX_GENERATION,
    description: "Increment to rotate the origin secret; the previous secret stays valid",
  },
  apiKeyGeneration: {
    kind: "integer",
    unit: "generations",
    default: 1,
    min: 1,
    max: MAX_GENERATION,
    description: "Increment to rotate the API key of backends; the previous key stays valid",
  },
  priceClass: {
    kind: "choice",
    choices: ["PriceClass_100", "PriceClass_200", "PriceClass_All"],
    default: "PriceClass_100",
    description: "Price class of CloudFront, which limits the edge locations that serve clients",
  },
  logRetentionDays: {
    kind: "choice",
    choices: LOG_RETENTION_DAYS,
    default: 30,
    description: "Days for which logs are kept",
  },
  retainData: {
    kind: "boolean",
    default: false,
    description: "Whether logs and images remain after the service is destroyed",
  },
  enableExec: {
    kind: "boolean",
    default: false,
    description: "Whether ECS Exec can run commands in a task; the output of its sessions is logged",
  },
  protect: {
    kind: "boolean",
    default: false,
    description:
      "Whether Pulumi refuses to delete or replace the distribution, the load balancer, the service and the backplane",
  },
} as const satisfies Record<string, KeyDefinition>;

/**
 * The program derives the other settings: no other process uses the ports of a container, the backplane determines the
 * connection to Valkey, `cacheMiB` the memory for recent messages, the memory that remains the number of subscriptions, and
 * the edge the number of proxies. It generates the API keys.
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
  cacheMib,
  maxSubscriptions,
  apiKeys,
  ...configurable
} = settingDefinitions;

/** The server's settings that a stack can change. Those of tokens can be outputs; see tokenInputs.ts. */
export const configurableSettings = {
  ...configurable,
  jwksUrl: { ...configurable.jwksUrl, isInput: true },
  jwtIssuer: { ...configurable.jwtIssuer, isInput: true },
  jwtAudience: { ...configurable.jwtAudience, isInput: true },
} as const;

/** Every key of the project's own namespace, in the order of Pulumi.yaml. */
export const configDefinitions = {
  ...edgeDefinitions,
  ...existingDefinitions,
  ...infrastructureDefinitions,
  ...configurableSettings,
};
