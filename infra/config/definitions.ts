/** Every key of a stack's configuration, with its type, range, default and description. Pulumi.yaml repeats them for the CLI. */
import type { Definition } from "../../app/src/settings/definition.ts";
import { settingDefinitions } from "../../app/src/settings/settings.ts";
import { edgeDefinitions } from "./edgeDefinitions.ts";
import { CPU_CHOICES } from "./fargateSizes.ts";

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
  ...configurable
} = settingDefinitions;

/** The server's settings that a stack can change. */
export const configurableSettings = configurable;

/** Every key of the project's own namespace, in the order of Pulumi.yaml. */
export const configDefinitions = {
  ...edgeDefinitions,
  ...infrastructureDefinitions,
  ...configurableSettings,
};
