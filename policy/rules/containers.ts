import type { Resource, Rule } from "../rule.ts";
import { isRecord, jsonAt, listAt, textAt, valueAt } from "../values.ts";
import type { Values } from "../values.ts";

export const TASK_DEFINITION = "aws:ecs/taskDefinition:TaskDefinition";

/** Names of variables with secrets. */
const SECRET_NAME =
  /PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|CREDENTIAL|PRIVATE_?KEY|API_?KEY|ACCESS_?KEY|(?:^|_)(?:PASS|PWD|AUTH)(?:$|_)/i;
/** A password in a URL, an AWS access key, or a private key in PEM format. */
const SECRET_VALUE =
  /:\/\/[^/?#\s]*:[^/?#\s]+@|\b(AKIA|ASIA)[0-9A-Z]{16}\b|-----BEGIN [A-Z ]*PRIVATE KEY-----/;

/** Returns the containers of a task definition. */
export function containersOf({ properties }: Resource): readonly Values[] {
  return listAt({ containers: jsonAt(properties, "containerDefinitions") }, "containers").filter(isRecord);
}

/** Returns the plain-text environment variables of a container. */
export function environmentOf(container: Values): ReadonlyMap<string, string> {
  const entries = listAt(container, "environment").map(
    (variable) => [textAt(variable, "name") ?? "", textAt(variable, "value") ?? ""] as const,
  );
  return new Map(entries);
}

export const containerRules: readonly Rule[] = [
  {
    id: "ECS2",
    level: "mandatory",
    what: "Environment variables of a container contain no secrets.",
    why: "They are readable in the task definition and in the AWS console.",
    fix: "Store the value in an SSM parameter or a secret, and refer to it in the container's `secrets`.",
    types: [TASK_DEFINITION],
    scope: "resource",
    *check(resource) {
      for (const container of containersOf(resource)) {
        for (const [name, value] of environmentOf(container)) {
          if (value === "" || !(SECRET_NAME.test(name) || SECRET_VALUE.test(value))) continue;
          yield `${name} of container ${nameOf(container)} contains a secret in plain text`;
        }
      }
    },
  },
  {
    id: "ECS4",
    level: "mandatory",
    what: "Clusters have Container Insights.",
    why: "Container Insights show the resources that a task used before it failed.",
    fix: 'Set `containerInsights` in the cluster\'s `settings` to "enabled" or "enhanced".',
    types: ["aws:ecs/cluster:Cluster"],
    scope: "resource",
    *check({ properties }) {
      const insights = listAt(properties, "settings")
        .filter((setting) => valueAt(setting, "name") === "containerInsights")
        .map((setting) => valueAt(setting, "value"));
      if (!insights.includes("enabled") && !insights.includes("enhanced")) yield "Container Insights are off";
    },
  },
  {
    id: "ECS7",
    level: "mandatory",
    what: "Every container has a log driver.",
    why: "Otherwise the log of a container is lost when it stops.",
    fix: "Set a `logDriver` in the container's `logConfiguration`, such as awslogs.",
    types: [TASK_DEFINITION],
    scope: "resource",
    *check(resource) {
      for (const container of containersOf(resource)) {
        const driver = valueAt(container, "logConfiguration.logDriver");
        if (driver === undefined || driver === "none")
          yield `container ${nameOf(container)} has no log driver`;
      }
    },
  },
  {
    id: "LOGGING",
    level: "mandatory",
    what: "No container blocks when its log driver is slow.",
    why: "If CloudWatch is slow, a write to standard output blocks the process.",
    fix: 'Set `mode` in the options of `logConfiguration` to "non-blocking".',
    types: [TASK_DEFINITION],
    scope: "resource",
    *check(resource) {
      for (const container of containersOf(resource)) {
        if (valueAt(container, "logConfiguration.logDriver") !== "awslogs") continue;
        if (valueAt(container, "logConfiguration.options.mode") !== "non-blocking") {
          yield `container ${nameOf(container)} blocks when its log driver is slow`;
        }
      }
    },
  },
];

function nameOf(container: Values): string {
  return textAt(container, "name") ?? "without a name";
}
