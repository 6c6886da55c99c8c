/** `up` and `rotate-secret`: the stack as the program declares it, and the proof that it works. */
import type { OutputMap, Stack } from "@pulumi/pulumi/automation/index.js";
import { confirm, describeLoss } from "../confirm.ts";
import { EXIT, type Context } from "../context.ts";
import { copySecrets, expiryOf, needEphemeral, writeStackFile } from "../ephemeral.ts";
import type { Options } from "../options.ts";
import { operate } from "../operate.ts";
import { describeCounts, duration } from "../progress/text.ts";
import { losses } from "../stateful.ts";
import { lastUpdate, openStack } from "../workspace.ts";
import { describeOutputs } from "./outputs.ts";
import { proveItWorks } from "./smoke.ts";

/** In the project's own namespace; 1 unless it is set. */
const GENERATION_KEY = "originSecretGeneration";
const FIRST_GENERATION = 1;

/** A rotation forgets the secret before the last; that is what it is for. */
const FORGOTTEN_BY_ROTATION = new Set(["random:index/randomPassword:RandomPassword"]);

export async function up(context: Context): Promise<number> {
  const { options, workspace } = context;
  const stack =
    options.ephemeral === undefined
      ? await openStack(workspace, options.stack, { create: true })
      : await openEphemeral(context, options.ephemeral);
  await askBeforeLosses(context, stack, new Set());
  return bringUp(context, stack);
}

async function openEphemeral(
  { today, root, options, workspace }: Context,
  { from, lifetimeMs }: NonNullable<Options["ephemeral"]>,
): Promise<Stack> {
  const expires = new Date(today().getTime() + lifetimeMs);
  const { secrets, undo } = writeStackFile(root, options.stack, from, expires);
  try {
    const stack = await openStack(workspace, options.stack, { create: true });
    needEphemeral(stack.name, await lastUpdate(stack));
    await copySecrets(stack, from, secrets);
    return stack;
  } catch (error) {
    // The next attempt would take half a copy for the whole.
    undo();
    throw error;
  }
}

/** CloudFront sends generation n, and the load balancer takes n and n - 1: see infra/originSecret.ts. */
export async function rotateSecret(context: Context): Promise<number> {
  const { options, workspace, say } = context;
  const stack = await openStack(workspace, options.stack, { create: false });
  const key = `${workspace.project}:${GENERATION_KEY}`;
  const before = (await stack.getAllConfig())[key];
  const generation = Number(before?.value ?? FIRST_GENERATION) + 1;
  await stack.setConfig(key, { value: String(generation) });
  try {
    await askBeforeLosses(context, stack, FORGOTTEN_BY_ROTATION);
  } catch (error) {
    await (before === undefined ? stack.removeConfig(key) : stack.setConfig(key, before));
    throw error;
  }
  say(`Pulumi.${stack.name}.yaml now says ${GENERATION_KEY} ${generation}: commit it.`);
  const code = await bringUp(context, stack);
  say(
    `CloudFront sends generation ${generation} of the secret; the load balancer takes ${generation - 1} as well, until the next rotation.`,
  );
  return code;
}

/** A preview tells what would be lost; with --yes nobody needs to know before. */
async function askBeforeLosses(context: Context, stack: Stack, expected: ReadonlySet<string>): Promise<void> {
  if (context.options.yes) return;
  const { progress } = await operate(context, stack, {
    name: "preview",
    planned: true,
    run: (engine) => stack.preview({ ...engine, refresh: context.options.refresh }),
  });
  const lost = losses(progress).filter(({ resource }) => !expected.has(resource.type));
  if (lost.length === 0) return;
  await confirm(context, { what: `up ${stack.name}`, details: lost.map(describeLoss), word: stack.name });
}

async function bringUp(context: Context, stack: Stack): Promise<number> {
  const { options, say } = context;
  const { result, progress, ms } = await operate(context, stack, {
    name: "up",
    planned: false,
    run: (engine) => stack.up({ ...engine, refresh: options.refresh }),
  });
  say(`\nup ${stack.name} took ${duration(ms)}: ${describeCounts(progress, "done")}`);
  for (const line of describeOutputs(result.outputs)) say(line);

  const proven = options.smoke ? await proveItWorks(context, stack.name, result.outputs) : true;
  const expires = expiryOf(await lastUpdate(stack));
  for (const line of nextSteps(stack.name, result.outputs, expires)) say(line);
  return proven ? EXIT.done : EXIT.failed;
}

function nextSteps(stack: string, outputs: OutputMap, expires: Date | undefined): readonly string[] {
  const output = (name: string): string => String(outputs[name]?.value);
  return [
    "\nnext",
    `  talk to it        npx wscat -c ${output("websocketUrl")}`,
    `  in a browser      https://${output("distributionDomainName")}/`,
    `  how it stands     npm run deploy -- status ${stack}`,
    ...(expires === undefined
      ? []
      : [`  expires           ${expires.toISOString()}, when the next npm run deploy -- sweep destroys it`]),
  ];
}
