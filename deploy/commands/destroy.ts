/** `destroy` and `sweep`. */
import type { Stack } from "@pulumi/pulumi/automation/index.js";
import { confirm } from "../confirm.ts";
import { EXIT, type Context } from "../context.ts";
import type { EngineReport } from "../engine/engineReport.ts";
import { describeLoss, lossesOf } from "../engine/losses.ts";
import { operate } from "../engine/operate.ts";
import { countOf, formatDuration } from "../engine/wording.ts";
import { Interrupted } from "../errors.ts";
import { configOf, EXPIRES_KEY, expiryOf } from "../stack/ephemeral.ts";
import { openStack } from "../stack/workspace.ts";

export async function destroy(context: Context): Promise<number> {
  const { options, workspace } = context;
  const stack = await openStack(workspace, options.stack, { create: false });
  const what = `destroy ${stack.name}`;
  // Without a terminal the command ends here: the preview would take its time for nothing.
  if (!options.yes && context.ask === undefined)
    await confirm(context, { what, details: [], word: stack.name });
  const config = await configOf(stack);
  await destroyStack(context, stack, {
    isEphemeral: config !== undefined && EXPIRES_KEY in config,
    canDestroy: async (planned) => {
      if (options.yes) return true;
      const details = [
        ...lossesOf(planned).map(describeLoss),
        `${countOf(planned.changed.length, "resource")} in all`,
      ];
      await confirm(context, { what, details, word: stack.name });
      return true;
    },
  });
  return EXIT.done;
}

/**
 * The Automation API destroys without a preview, and the engine would delete resources before it reaches the first
 * protected one. The preview fails before anything is deleted.
 * @param canDestroy receives the preview, and decides.
 */
async function destroyStack(
  context: Context,
  stack: Stack,
  {
    isEphemeral,
    canDestroy,
  }: { readonly isEphemeral: boolean; readonly canDestroy: (planned: EngineReport) => Promise<boolean> },
): Promise<void> {
  const { report: planned } = await operate(context, stack, {
    name: "preview of destroy",
    isPreview: true,
    run: (engine) => stack.previewDestroy(engine),
  });
  if (!(await canDestroy(planned))) return;
  const { ms } = await operate(context, stack, {
    name: "destroy",
    isPreview: false,
    run: (engine) => stack.destroy(engine),
  });
  context.print(`\ndestroy ${stack.name} took ${formatDuration(ms)}`);
  if (isEphemeral) {
    // Removes the stack file too.
    await stack.workspace.removeStack(stack.name);
    context.print(`${stack.name} was ephemeral: the stack and its file have been removed.`);
  } else {
    context.print(
      `Its configuration and history remain: npm run deploy -- up ${stack.name} creates it again, npx pulumi stack rm ${stack.name} removes them.`,
    );
  }
}

/** Continues after a stack that fails, and then returns {@link EXIT.failed}. */
export async function sweep(context: Context): Promise<number> {
  const { workspace, options, now, print } = context;
  let code: number = EXIT.done;
  const attempt = async (name: string, work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof Error) || error instanceof Interrupted) throw error;
      print(`${name} still exists: ${error.message}`);
      code = EXIT.failed;
    }
  };
  const readExpiry = async (stack: Stack): Promise<Date | undefined> => expiryOf(await configOf(stack));

  const expired: Stack[] = [];
  for (const { name } of await workspace.local.listStacks()) {
    await attempt(name, async () => {
      const stack = await openStack(workspace, name, { create: false });
      const expires = await readExpiry(stack);
      if (expires === undefined) return;
      const hasExpired = expires <= now();
      print(`${name} ${hasExpired ? "expired" : "expires"} ${expires.toISOString()}`);
      if (hasExpired) expired.push(stack);
    });
  }
  if (expired.length === 0) {
    print("No stack has expired.");
    return code;
  }

  if (!options.yes) {
    const what = `sweep ${countOf(expired.length, "stack")}`;
    await confirm(context, { what, details: [], word: "destroy" });
  }
  for (const stack of expired) {
    await attempt(stack.name, () =>
      destroyStack(context, stack, {
        isEphemeral: true,
        // The question and the other stacks took time, in which an `up` may have set another time.
        canDestroy: async () => {
          const expires = await readExpiry(stack);
          if (expires !== undefined && expires <= now()) return true;
          print(`${stack.name} has a later expiry now, and is not destroyed.`);
          return false;
        },
      }),
    );
  }
  return code;
}
