/** `up` and `rotate-secret`: deploy the stack, then run the smoke test. */
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { ConfigMap, OutputMap, Stack, UpResult } from "@pulumi/pulumi/automation/index.js";
import { ExpectedError } from "../../app/src/settings/expectedError.ts";
import { edgeDefinitions } from "../../infra/config/edgeDefinitions.ts";
import { confirm } from "../confirm.ts";
import { EXIT, type Context } from "../context.ts";
import { describeLoss, lossesOf } from "../engine/losses.ts";
import { operate, programOptions, type Operated } from "../engine/operate.ts";
import { describeCounts, formatDuration } from "../engine/wording.ts";
import { mayHaveChanged } from "../errors.ts";
import type { DeployOptions } from "../options.ts";
import { configOf, copySecrets, expiryOf, needEphemeral, writeStackFile } from "../stack/ephemeral.ts";
import { stackFileName } from "../stack/stackName.ts";
import { openStack, readState } from "../stack/workspace.ts";
import { describeOutputs } from "./outputs.ts";
import { runSmokeTest } from "./smoke.ts";

/** A key in the project's own namespace. */
const GENERATION_KEY = "originSecretGeneration";
const FIRST_GENERATION = 1;

/** A key in the same namespace. */
const EDGE_KEY = "edge";
const EDGE_WITH_SECRET = "cloudfront";

/** A rotation deletes the second to last secret on purpose. */
const LOST_BY_ROTATION = new Set(["random:index/randomPassword:RandomPassword"]);

export async function up(context: Context): Promise<number> {
  const { options, workspace } = context;
  const stack =
    options.ephemeral === undefined
      ? await openStack(workspace, options.stack, { create: true })
      : await openEphemeral(context, options.ephemeral);
  await confirmLosses(context, stack, new Set());
  return conclude(context, stack, await update(context, stack));
}

async function openEphemeral(
  { now, root, options, workspace }: Context,
  { from, lifetimeMs }: NonNullable<DeployOptions["ephemeral"]>,
): Promise<Stack> {
  const expires = new Date(now().getTime() + lifetimeMs);
  const { project } = workspace;
  const { secrets, undo } = writeStackFile(root, { project, stack: options.stack, from, expires });
  try {
    const stack = await openStack(workspace, options.stack, { create: true });
    needEphemeral(stack.name, await configOf(stack));
    await copySecrets(stack, from, secrets);
    return stack;
  } catch (error) {
    // The next attempt would take an incomplete copy for a complete one.
    undo();
    throw error;
  }
}

/** CloudFront sends generation n; the load balancer accepts n and n - 1. See infra/components/cloudFront/originSecret.ts. */
export async function rotateSecret(context: Context): Promise<number> {
  const { options, workspace, root, print } = context;
  const stack = await openStack(workspace, options.stack, { create: false });
  const config = await stack.getAllConfig();
  needSecret(stack.name, workspace.project, config);
  const key = `${workspace.project}:${GENERATION_KEY}`;
  const generation = Number(config[key]?.value ?? FIRST_GENERATION) + 1;
  const fileName = stackFileName(stack.name);
  const file = path.join(root, fileName);
  const before = readFileSync(file);
  let updated: Updated;
  try {
    await stack.setConfig(key, { value: String(generation) });
    await confirmLosses(context, stack, LOST_BY_ROTATION);
    updated = await update(context, stack);
  } catch (error) {
    if (mayHaveChanged(error)) {
      print(
        `${fileName} sets ${GENERATION_KEY} to ${generation}, and a part of the stack may have it. npm run deploy -- up ${stack.name} continues.`,
      );
    } else writeFileSync(file, before);
    throw error;
  }
  print(`${fileName} now sets ${GENERATION_KEY} to ${generation}: commit it.`);
  print(
    `CloudFront sends generation ${generation} of the secret. Until the next rotation, the load balancer also accepts ${generation - 1}.`,
  );
  return conclude(context, stack, updated);
}

/** @throws {ExpectedError} if the stack's edge has no secret. The program itself rejects an unknown edge. */
function needSecret(stack: string, project: string, config: ConfigMap): void {
  const key = `${project}:${EDGE_KEY}`;
  const edge = edgeDefinitions[EDGE_KEY].choices.find((choice) => choice === config[key]?.value);
  if (edge === undefined || edge === EDGE_WITH_SECRET) return;
  throw new ExpectedError(
    `${stack} has no origin secret to rotate: ${key} is ${edge}, and only ${EDGE_WITH_SECRET} has one.`,
  );
}

/**
 * Previews the update, and asks if data would be lost. --yes skips both unless a resource is protected: the preview then
 * fails before the update has created anything.
 */
async function confirmLosses(context: Context, stack: Stack, expected: ReadonlySet<string>): Promise<void> {
  if (context.options.yes && !(await hasProtected(stack))) return;
  const { report } = await operate(context, stack, {
    name: "preview",
    isPreview: true,
    run: (engine) => stack.preview({ ...engine, ...programOptions(context.options) }),
  });
  const losses = lossesOf(report).filter(({ resource }) => !expected.has(resource.type));
  if (losses.length === 0 || context.options.yes) return;
  await confirm(context, { what: `up ${stack.name}`, details: losses.map(describeLoss), word: stack.name });
}

async function hasProtected(stack: Stack): Promise<boolean> {
  const { resources } = await readState(stack);
  return resources.some(({ protect }) => protect === true);
}

type Updated = Operated<UpResult>;

function update(context: Context, stack: Stack): Promise<Updated> {
  return operate(context, stack, {
    name: "up",
    isPreview: false,
    run: (engine) => stack.up({ ...engine, ...programOptions(context.options) }),
  });
}

/** Prints the summary, runs the smoke test, and prints the next steps. */
async function conclude(context: Context, stack: Stack, { result, report, ms }: Updated): Promise<number> {
  const { options, print } = context;
  print(`\nup ${stack.name} took ${formatDuration(ms)}: ${describeCounts(report, "done")}`);
  const { outputs } = result;
  for (const line of describeOutputs(outputs)) print(line);

  const config = await configOf(stack);
  const isWorking = options.smoke
    ? await runSmokeTest(context, { stack: stack.name, outputs, config })
    : true;
  for (const line of nextSteps(stack.name, outputs, expiryOf(config))) print(line);
  return isWorking ? EXIT.done : EXIT.failed;
}

function nextSteps(stack: string, outputs: OutputMap, expires: Date | undefined): readonly string[] {
  const websocketUrl = String(outputs["websocketUrl"]?.value);
  return [
    "\nnext",
    `  connect     npx wscat -c ${websocketUrl}`,
    // An API Gateway has no page.
    ...(outputs["serviceName"] === undefined ? [] : [`  in browser  https://${new URL(websocketUrl).host}/`]),
    `  status      npm run deploy -- status ${stack}`,
    ...(expires === undefined
      ? []
      : [`  expires     ${expires.toISOString()}; the next npm run deploy -- sweep then destroys it`]),
  ];
}
