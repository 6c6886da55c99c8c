/**
 * `npm run baseline`: records the states of stacks that the current program deploys. The following versions must not replace
 * their main resources, until a major version records the states again.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { parse } from "yaml";
import { pathOf, recordBaseline } from "../support/baseline.ts";
import type { Stack } from "../support/baseline.ts";
import type { Properties } from "../support/cloud.ts";

const ROOT = join(import.meta.dirname, "..", "..", "..");

const CUSTOM_DOMAIN = {
  "aws:region": "us-east-1",
  access: "open",
  domain: "ws.example.com",
  hostedZoneId: "Z0123456789ABCDEFGHIJ",
};

const STACKS: readonly Stack[] = [
  { stack: "dev", config: configOf("dev") },
  { stack: "prod", config: configOf("prod") },
  { stack: "load-balancer", config: { ...CUSTOM_DOMAIN, edge: "load-balancer" } },
  {
    stack: "private-origin",
    config: { ...CUSTOM_DOMAIN, originAccess: "private", originTls: "origin.example.com" },
  },
];

const { force } = parseArgs({ options: { force: { type: "boolean", default: false } } }).values;
const existing = STACKS.map(pathOf).filter((path) => existsSync(path));
if (existing.length > 0 && !force) {
  console.error(
    [
      "The baseline exists. A new one permits replacements, which interrupt the stacks of all users, so it belongs to a major " +
        "version, with instructions in docs/upgrading.md.",
      "Fix: npm run baseline -- --force",
    ].join("\n"),
  );
  process.exit(1);
}

const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { version: string };
for (const stack of STACKS) {
  await recordBaseline(stack, version);
  console.log(`Recorded ${pathOf(stack)}.`);
}

/** Returns the configuration in a stack file of the repository. */
function configOf(stack: string): Properties {
  const file = readFileSync(join(ROOT, `Pulumi.${stack}.yaml`), "utf8");
  return (parse(file) as { config: Properties }).config;
}
