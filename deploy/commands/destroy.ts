/** `destroy` and `sweep`. */
import type { Stack } from "@pulumi/pulumi/automation/index.js";
import { confirm, describeLoss } from "../confirm.ts";
import { EXIT, type Context } from "../context.ts";
import { configOf, EXPIRES_KEY, expiryOf } from "../ephemeral.ts";
import { Interrupted, operate } from "../operate.ts";
import type { Progress } from "../progress/progress.ts";
import { duration, plural } from "../progress/text.ts";
import { losses } from "../stateful.ts";
import { openStack } from "../workspace.ts";

export async function destroy(context: Context): Promise<number> {
  const { options, workspace } = context;
  const stack = await openStack(workspace, options.stack, { create: false });
  const what = `destroy ${stack.name}`;
  // Where nobody can be asked, nothing need be looked up for the question.
  if (!options.yes && context.ask === undefined)
    await confirm(context, { what, details: [], word: stack.name });
  const config = await configOf(stack);
  await destroyStack(context, stack, {
    ephemeral: config !== undefined && EXPIRES_KEY in config,
    agree: async (planned) => {
      if (options.yes) return true;
      const details = [
        ...losses(planned).map(describeLoss),
        `${plural(planned.changed.length, "resource")} in all`,
      ];
      await confirm(context, { what, details, word: stack.name });
      return true;
    },
  });
  return EXIT.done;
}

/**
 * The library's own destroy skips the preview, and the engine would delete what nothing depends on before it meets the
 * first resource that is protected. So there is a preview first, which stops there.
 * @param agree is told what would be destroyed, and says whether it is to be.
 */
async function destroyStack(
  context: Context,
  stack: Stack,
  {
    ephemeral,
    agree,
  }: { readonly ephemeral: boolean; readonly agree: (planned: Progress) => Promise<boolean> },
): Promise<void> {
  const { progress: planned } = await operate(context, stack, {
    name: "preview of destroy",
    planned: true,
    run: (engine) => stack.previewDestroy(engine),
  });
  if (!(await agree(planned))) return;
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
  const { workspace, options, today, say } = context;
  let code: number = EXIT.done;
  const attempt = async (name: string, work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof Error) || error instanceof Interrupted) throw error;
      say(`${name} is still there: ${error.message}`);
      code = EXIT.failed;
    }
  };
  const expiryNow = async (stack: Stack): Promise<Date | undefined> => expiryOf(await configOf(stack));

  const expired: Stack[] = [];
  for (const { name } of await workspace.local.listStacks()) {
    await attempt(name, async () => {
      const stack = await openStack(workspace, name, { create: false });
      const expires = await expiryNow(stack);
      if (expires === undefined) return;
      const isOver = expires <= today();
      say(`${name} ${isOver ? "expired" : "expires"} ${expires.toISOString()}`);
      if (isOver) expired.push(stack);
    });
  }
  if (expired.length === 0) {
    say("No stack has expired.");
    return code;
  }

  if (!options.yes) {
    await confirm(context, {
      what: `sweep ${plural(expired.length, "stack")}`,
      details: [],
      word: "destroy",
    });
  }
  for (const stack of expired) {
    await attempt(stack.name, () =>
      destroyStack(context, stack, {
        ephemeral: true,
        // The answer took its time, and so did the others: somebody may have brought it up again.
        agree: async () => {
          const expires = await expiryNow(stack);
          if (expires !== undefined && expires <= today()) return true;
          say(`${stack.name} was given more time, and stays.`);
          return false;
        },
      }),
    );
  }
  return code;
}
