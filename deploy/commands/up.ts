/** `up` and `rotate-secret`: the stack as the program declares it, and the proof that it works. */
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { ConfigMap, OutputMap, Stack, UpResult } from "@pulumi/pulumi/automation/index.js";
import { edgeDefinitions } from "../../infra/config/edgeDefinitions.ts";
import { confirm, describeLoss } from "../confirm.ts";
import { EXIT, type Context } from "../context.ts";
import { configOf, copySecrets, expiryOf, needEphemeral, writeStackFile } from "../ephemeral.ts";
import type { Options } from "../options.ts";
import { mayHaveChanged, operate, programOptions, type Operated } from "../operate.ts";
import { PreconditionError } from "../preconditions.ts";
import { describeCounts, duration } from "../progress/text.ts";
import { stackFileName } from "../stackName.ts";
import { losses } from "../stateful.ts";
import { openStack, readState } from "../workspace.ts";
import { describeOutputs } from "./outputs.ts";
import { proveItWorks } from "./smoke.ts";

/** In the project's own namespace; 1 unless it is set. */
const GENERATION_KEY = "originSecretGeneration";
const FIRST_GENERATION = 1;

/** In the same namespace. */
const EDGE_KEY = "edge";
const EDGE_WITH_SECRET = "cloudfront";

/** A rotation forgets the secret before the last; that is what it is for. */
const FORGOTTEN_BY_ROTATION = new Set(["random:index/randomPassword:RandomPassword"]);

export async function up(context: Context): Promise<number> {
  const { options, workspace } = context;
  const stack =
    options.ephemeral === undefined
      ? await openStack(workspace, options.stack, { create: true })
      : await openEphemeral(context, options.ephemeral);
  await askBeforeLosses(context, stack, new Set());
  return conclude(context, stack, await update(context, stack));
}

async function openEphemeral(
  { today, root, options, workspace }: Context,
  { from, lifetimeMs }: NonNullable<Options["ephemeral"]>,
): Promise<Stack> {
  const expires = new Date(today().getTime() + lifetimeMs);
  const { secrets, undo } = writeStackFile(root, {
    project: workspace.project,
    stack: options.stack,
    from,
    expires,
  });
  try {
    const stack = await openStack(workspace, options.stack, { create: true });
    needEphemeral(stack.name, await configOf(stack));
    await copySecrets(stack, from, secrets);
    return stack;
  } catch (error) {
    // The next attempt would take half a copy for the whole.
    undo();
    throw error;
  }
}

/** CloudFront sends generation n, and the load balancer takes n and n - 1: see infra/components/cloudFront/originSecret.ts. */
export async function rotateSecret(context: Context): Promise<number> {
  const { options, workspace, root, say } = context;
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
    await askBeforeLosses(context, stack, FORGOTTEN_BY_ROTATION);
    updated = await update(context, stack);
  } catch (error) {
    if (mayHaveChanged(error)) {
      say(
        `${fileName} says ${GENERATION_KEY} ${generation}, and so may a part of the stack: npm run deploy -- up ${stack.name} goes on.`,
      );
    } else writeFileSync(file, before);
    throw error;
  }
  say(`${fileName} now says ${GENERATION_KEY} ${generation}: commit it.`);
  say(
    `CloudFront sends generation ${generation} of the secret; the load balancer takes ${generation - 1} as well, until the next rotation.`,
  );
  return conclude(context, stack, updated);
}

/** @throws {PreconditionError} where the stack's edge has no secret. A word that is no edge, the program refuses. */
function needSecret(stack: string, project: string, config: ConfigMap): void {
  const key = `${project}:${EDGE_KEY}`;
  const edge = edgeDefinitions[EDGE_KEY].choices.find((choice) => choice === config[key]?.value);
  if (edge === undefined || edge === EDGE_WITH_SECRET) return;
  throw new PreconditionError(
    `${stack} has no origin secret to rotate: ${key} is ${edge}, and only ${EDGE_WITH_SECRET} has one.`,
  );
}

/**
 * A preview tells what would be lost; with --yes nobody needs to know before. Unless something is protected: the preview
 * ends there, where the update would end half-way, with everything new beside everything old.
 */
async function askBeforeLosses(context: Context, stack: Stack, expected: ReadonlySet<string>): Promise<void> {
  if (context.options.yes && !(await hasProtected(stack))) return;
  const { progress } = await operate(context, stack, {
    name: "preview",
    planned: true,
    run: (engine) => stack.preview({ ...engine, ...programOptions(context.options) }),
  });
  const lost = losses(progress).filter(({ resource }) => !expected.has(resource.type));
  if (lost.length === 0 || context.options.yes) return;
  await confirm(context, { what: `up ${stack.name}`, details: lost.map(describeLoss), word: stack.name });
}

async function hasProtected(stack: Stack): Promise<boolean> {
  const { resources } = await readState(stack);
  return resources.some(({ protect }) => protect === true);
}

type Updated = Operated<UpResult>;

function update(context: Context, stack: Stack): Promise<Updated> {
  return operate(context, stack, {
    name: "up",
    planned: false,
    run: (engine) => stack.up({ ...engine, ...programOptions(context.options) }),
  });
}

/** Says what there is now, and proves that it works. */
async function conclude(context: Context, stack: Stack, { result, progress, ms }: Updated): Promise<number> {
  const { options, say } = context;
  say(`\nup ${stack.name} took ${duration(ms)}: ${describeCounts(progress, "done")}`);
  for (const line of describeOutputs(result.outputs)) say(line);

  const proven = options.smoke ? await proveItWorks(context, stack.name, result.outputs) : true;
  const expires = expiryOf(await configOf(stack));
  for (const line of nextSteps(stack.name, result.outputs, expires)) say(line);
  return proven ? EXIT.done : EXIT.failed;
}

function nextSteps(stack: string, outputs: OutputMap, expires: Date | undefined): readonly string[] {
  const websocketUrl = String(outputs["websocketUrl"]?.value);
  return [
    "\nnext",
    `  talk to it        npx wscat -c ${websocketUrl}`,
    // An API Gateway has no page.
    ...(outputs["serviceName"] === undefined
      ? []
      : [`  in a browser      https://${new URL(websocketUrl).host}/`]),
    `  how it stands     npm run deploy -- status ${stack}`,
    ...(expires === undefined
      ? []
      : [`  expires           ${expires.toISOString()}, when the next npm run deploy -- sweep destroys it`]),
  ];
}
