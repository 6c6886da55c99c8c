/** `destroy` and `sweep`. */
import type { Stack } from "@pulumi/pulumi/automation/index.js";
import { confirm, describeLoss } from "../confirm.ts";
import { EXIT, type Context } from "../context.ts";
import { expiryOf } from "../ephemeral.ts";
import { Interrupted, operate } from "../operate.ts";
import { duration, plural } from "../progress/text.ts";
import { losses } from "../stateful.ts";
import { lastUpdate, openStack } from "../workspace.ts";

export async function destroy(context: Context): Promise<number> {
  const { options, workspace } = context;
  const stack = await openStack(workspace, options.stack, { create: false });
  if (!options.yes) await askBeforeDestroying(context, stack);
  await destroyStack(context, stack, { ephemeral: expiryOf(await lastUpdate(stack)) !== undefined });
  return EXIT.done;
}

async function askBeforeDestroying(context: Context, stack: Stack): Promise<void> {
  const what = `destroy ${stack.name}`;
  // Where nobody can be asked, nothing need be looked up for the question.
  if (context.ask === undefined) await confirm(context, { what, details: [], word: stack.name });
  const { progress } = await operate(context, stack, {
    name: "preview of destroy",
    planned: true,
    run: (engine) => stack.previewDestroy(engine),
  });
  const details = [
    ...losses(progress).map(describeLoss),
    `${plural(progress.changed.length, "resource")} in all`,
  ];
  await confirm(context, { what, details, word: stack.name });
}

async function destroyStack(
  context: Context,
  stack: Stack,
  { ephemeral }: { readonly ephemeral: boolean },
): Promise<void> {
  const { ms } = await operate(context, stack, {
    name: "destroy",
    planned: false,
    run: (engine) => stack.destroy(engine),
  });
  context.say(`\ndestroy ${stack.name} took ${duration(ms)}`);
  if (ephemeral) {
    // With it goes its file.
    await stack.workspace.removeStack(stack.name);
    context.say(`${stack.name} was ephemeral: it and its stack file are gone.`);
  } else {
    context.say(
      `Its configuration and history are still there: npm run deploy -- up ${stack.name} creates it anew, npx pulumi stack rm ${stack.name} forgets it.`,
    );
  }
}

/** Goes on after a stack that fails, and then fails itself. */
export async function sweep(context: Context): Promise<number> {
  const { workspace, say } = context;
  const now = context.today();
  const expired: Stack[] = [];
  for (const { name } of await workspace.local.listStacks()) {
    const stack = await openStack(workspace, name, { create: false });
    const expires = expiryOf(await lastUpdate(stack));
    if (expires === undefined) continue;
    say(`${name} ${expires <= now ? "expired" : "expires"} ${expires.toISOString()}`);
    if (expires <= now) expired.push(stack);
  }
  if (expired.length === 0) {
    say("No stack has expired.");
    return EXIT.done;
  }

  if (!context.options.yes) {
    await confirm(context, {
      what: `sweep ${plural(expired.length, "stack")}`,
      details: [],
      word: "destroy",
    });
  }
  let code: number = EXIT.done;
  for (const stack of expired) {
    try {
      await destroyStack(context, stack, { ephemeral: true });
    } catch (error) {
      if (!(error instanceof Error) || error instanceof Interrupted) throw error;
      say(`${stack.name} is still there: ${error.message}`);
      code = EXIT.failed;
    }
  }
  return code;
}
