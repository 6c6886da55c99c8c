/** The tables of configuration keys: docs/configuration.md has all of them, README.md the most important ones. */
import { allowedValues, encode } from "../../app/src/settings/definition.ts";
import type { Definition } from "../../app/src/settings/definition.ts";
import { settingDefinitions } from "../../app/src/settings/settings.ts";
import { configDefinitions } from "../../infra/config/definitions.ts";
import { code, renderTable } from "./markdown.ts";

type Key = keyof typeof configDefinitions;

/** Every key of a stack, by the heading of its section. */
const SECTIONS: Readonly<Record<string, readonly Key[]>> = {
  "Edge and domain": [
    "edge",
    "originAccess",
    "originTls",
    "originCertificateArn",
    "domain",
    "certificateArn",
    "hostedZoneId",
    "apiGatewayUrl",
    "apiGatewayQueryStrings",
    "originHeaderName",
    "originSecretGeneration",
    "priceClass",
  ],
  "Existing infrastructure": [
    "vpcId",
    "publicSubnetIds",
    "privateSubnetIds",
    "clusterArn",
    "listenerArn",
    "listenerRulePriority",
    "logGroupName",
    "repositoryName",
  ],
  Access: [
    "access",
    "jwksUrl",
    "jwtIssuer",
    "jwtAudience",
    "jwtChannelClaim",
    "jwtSubscribeClaim",
    "jwtPublishClaim",
    "allowedOrigins",
    "apiKeyGeneration",
  ],
  "Tasks and scaling": [
    "minTasks",
    "maxTasks",
    "connectionsPerTask",
    "requestsPerTarget",
    "cpuPercent",
    "scaleOutCooldownSeconds",
    "scaleInCooldownSeconds",
    "scheduledScaling",
    "cpu",
    "memoryMiB",
  ],
  Timeouts: [
    "heartbeatSeconds",
    "idleTimeoutSeconds",
    "deregistrationDelaySeconds",
    "drainSeconds",
    "stopTimeoutSeconds",
    "handlerTimeoutSeconds",
  ],
  "Limits of a task": ["maxConnections", "maxChannels", "cacheMiB"],
  "Limits of a client": [
    "maxPayloadBytes",
    "messagesPerSecond",
    "messageBurst",
    "bytesPerSecond",
    "connectionsPerUser",
    "channelsPerUser",
    "subscriptionsPerConnection",
    "bytesPerSecondPerUser",
  ],
  Retention: ["retainedMessages", "retainedSeconds", "retainedBytes", "retention"],
  Backplane: [
    "backplane",
    "backplaneMaxGB",
    "backplaneMaxEcpus",
    "backplanePasswordGeneration",
    "publishTimeoutSeconds",
  ],
  Operations: ["logLevel", "logRetentionDays", "metricsLogSeconds", "retainData", "enableExec", "protect"],
};

/** The keys in README.md. */
const MAIN_KEYS: readonly Key[] = [
  "access",
  "edge",
  "domain",
  "hostedZoneId",
  "minTasks",
  "maxTasks",
  "cpu",
  "memoryMiB",
  "allowedOrigins",
  "retainedSeconds",
];

/** The keys of the AWS provider that the program reads. */
const PROVIDER_ROWS = [
  ["`aws:region`", "required", "a region of the AWS partition `aws`", "–", "AWS region of the stack"],
  [
    "`aws:profile`",
    "–",
    "the name of a profile",
    "–",
    "Profile in the AWS configuration files that has the credentials",
  ],
  [
    "`aws:allowedAccountIds`",
    "–",
    "a list of account IDs",
    "–",
    "AWS accounts that the stack can be deployed to",
  ],
];

const HEAD = ["Key", "Default", "Allowed values", "Unit", "Description"];

/** Renders every table of docs/configuration.md. @throws {Error} if a key is in no section, or in several. */
export function renderConfiguration(): string {
  const listed = Object.values(SECTIONS).flat();
  for (const key of Object.keys(configDefinitions)) {
    const count = listed.filter((name) => name === key).length;
    if (count !== 1)
      throw new Error(`SECTIONS in ${import.meta.filename} has ${key} ${count} times, not once.`);
  }
  return [
    ...Object.entries(SECTIONS).map(
      ([heading, keys]) =>
        `## ${heading}\n\n${renderTable(
          HEAD,
          keys.map((key) => row(key, configDefinitions[key])),
        )}`,
    ),
    `## AWS provider\n\n${renderTable(HEAD, PROVIDER_ROWS)}`,
    `## Environment variables of the server\n\n${renderVariables()}`,
  ].join("\n\n");
}

/** Renders the table of README.md. */
export function renderMainKeys(): string {
  const rows = MAIN_KEYS.map((key) => row(key, configDefinitions[key]));
  return renderTable(
    ["Key", "Default", "Description"],
    rows.map((cells) => [0, 1, 4].map((column) => cells[column] ?? "")),
  );
}

function renderVariables(): string {
  const settings = Object.entries(settingDefinitions);
  const ofKeys = settings.filter(([name]) => name in configDefinitions);
  const others = settings.filter(([name]) => !(name in configDefinitions));
  return [
    "A stack sets these variables from its keys:",
    renderTable(
      ["Variable", "Key"],
      ofKeys.map(([name, { variable }]) => [code(variable), code(name)]),
    ),
    "These variables are not keys of a stack. The program derives their values, or keeps the default:",
    renderTable(
      ["Variable", ...HEAD.slice(1)],
      others.map(([, definition]) => row(definition.variable, definition)),
    ),
  ].join("\n\n");
}

function row(name: string, definition: Definition): readonly string[] {
  return [
    code(name),
    name === "access" ? "required" : code(encode(definition.default)),
    describeRange(definition),
    definition.kind === "integer" ? definition.unit : "–",
    definition.description,
  ];
}

function describeRange(definition: Definition): string {
  if (definition.kind === "integer") return `${definition.min} to ${definition.max}`;
  if (definition.kind === "choice")
    return definition.choices.map((choice) => code(String(choice))).join(", ");
  return allowedValues(definition);
}
