import type { Resource, Rule } from "../rule.ts";
import { isRecord, jsonAt, listAt, textAt, valueAt } from "../values.ts";
import type { Values } from "../values.ts";

export const TASK_DEFINITION = "aws:ecs/taskDefinition:TaskDefinition";

/** Names that speak of a secret. An id, an address or a public key has other ones. */
const SECRET_NAME =
  /PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|CREDENTIAL|PRIVATE_?KEY|API_?KEY|ACCESS_?KEY|(?:^|_)(?:PASS|PWD|AUTH)(?:$|_)/i;
/** A password in a URL, an access key of AWS, a private key in PEM. */
const SECRET_VALUE =
  /:\/\/[^/?#\s]*:[^/?#\s]+@|\b(AKIA|ASIA)[0-9A-Z]{16}\b|-----BEGIN [A-Z ]*PRIVATE KEY-----/;

/** The containers of a task definition. */
export function containersOf({ properties }: Resource): readonly Values[] {
  return listAt({ containers: jsonAt(properties, "containerDefinitions") }, "containers").filter(isRecord);
}

/** The variables of a container that stand in the task definition in plain text. */
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
    what: "No container is told a secret by a plain environment variable.",
    why: "Whoever may read the task definition reads it, and so does whoever looks at the task in the console.",
    fix: "Put the value into an SSM parameter or a secret, and name it under the container's `secrets`.",
    types: [TASK_DEFINITION],
    scope: "resource",
    *faults(resource) {
      for (const container of containersOf(resource)) {
        for (const [name, value] of environmentOf(container)) {
          if (value === "" || !(SECRET_NAME.test(name) || SECRET_VALUE.test(value))) continue;
          yield `${name} of container ${nameOf(container)} is in plain text`;
        }
      }
    },
  },
  {
    id: "ECS4",
    level: "mandatory",
    what: "Clusters have CloudWatch Container Insights.",
    why: "Without them nobody sees what a task used before it failed.",
    fix: 'Give the cluster the setting `containerInsights`, "enabled" or "enhanced".',
    types: ["aws:ecs/cluster:Cluster"],
    scope: "resource",
    *faults({ properties }) {
      const insights = listAt(properties, "settings")
        .filter((setting) => valueAt(setting, "name") === "containerInsights")
        .map((setting) => valueAt(setting, "value"));
      if (!insights.includes("enabled") && !insights.includes("enhanced")) yield "Container Insights are off";
    },
  },
  {
    id: "ECS7",
    level: "mandatory",
    what: "Every container sends its log somewhere.",
    why: "What a container prints is gone with it otherwise.",
    fix: "Give the container a `logConfiguration` with a `logDriver`, such as awslogs.",
    types: [TASK_DEFINITION],
    scope: "resource",
    *faults(resource) {
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
    what: "No container waits for its log driver.",
    why: "When CloudWatch is slow, a write to standard output would stop the whole process.",
    fix: 'Give the options of `logConfiguration` the mode "non-blocking".',
    types: [TASK_DEFINITION],
    scope: "resource",
    *faults(resource) {
      for (const container of containersOf(resource)) {
        if (valueAt(container, "logConfiguration.logDriver") !== "awslogs") continue;
        if (valueAt(container, "logConfiguration.options.mode") !== "non-blocking") {
          yield `container ${nameOf(container)} may wait until its log is written`;
        }
      }
    },
  },
];

function nameOf(container: Values): string {
  return textAt(container, "name") ?? "without a name";
}
