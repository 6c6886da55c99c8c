/** `preview` and `refresh`: looking, and at most changing the state. */
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { StackNotFoundError } from "@pulumi/pulumi/automation/index.js";
import type { Stack } from "@pulumi/pulumi/automation/index.js";
import { EXIT, type Context } from "../context.ts";
import { previewMarkdown } from "../markdown.ts";
import { operate, OperationFailed, programOptions, REFRESH_OPTIONS } from "../operate.ts";
import { stackFileName } from "../stackName.ts";
import { openStack, readState } from "../workspace.ts";

export async function preview(context: Context): Promise<number> {
  const { options, say } = context;
  const { stack, leave } = await stackToLookAt(context);
  try {
    const { progress } = await operate(context, stack, {
      name: "preview",
      planned: true,
      run: (engine) => stack.preview({ ...engine, ...programOptions(options) }),
    });
    if (options.markdown !== undefined)
      writeFileSync(options.markdown, previewMarkdown(stack.name, progress));
    if (!options.expectNoChanges || progress.changed.length === 0) return EXIT.done;
    say(`There are changes, and none were expected in ${stack.name}.`);
    return EXIT.failed;
  } catch (error) {
    if (error instanceof OperationFailed && options.markdown !== undefined) {
      writeFileSync(options.markdown, previewMarkdown(stack.name, error.progress, error.message));
    }
    throw error;
  } finally {
    await leave();
  }
}

/** A stack that is not there yet is made to be looked at, and leaves nothing behind. */
async function stackToLookAt({
  workspace,
  options,
  root,
}: Context): Promise<{ readonly stack: Stack; readonly leave: () => Promise<void> }> {
  const { stack: name } = options;
  try {
    const stack = await openStack(workspace, name, { create: false });
    return { stack, leave: () => Promise.resolve() };
  } catch (error) {
    if (!(error instanceof StackNotFoundError)) throw error;
  }
  const file = path.join(root, stackFileName(name));
  const before = readFileSync(file);
  const stack = await openStack(workspace, name, { create: true });
  return {
    stack,
    leave: async () => {
      await workspace.local.removeStack(name, { preserveConfig: true });
      // Making it has written its salt there.
      writeFileSync(file, before);
    },
  };
}

export async function refresh(context: Context): Promise<number> {
  const { options, workspace, say } = context;
  const stack = await openStack(workspace, options.stack, { create: false });
  const { pending } = await readState(stack);
  const { progress } = await operate(context, stack, {
    name: "refresh",
    planned: false,
    run: (engine) => stack.refresh({ ...engine, ...REFRESH_OPTIONS, clearPendingCreates: true }),
  });
  if (pending.length > 0) {
    say(
      `Forgotten: ${pending.join(", ")}. What AWS made of it, delete there, or take over with npx pulumi import.`,
    );
  }
  say(
    progress.changed.length === 0
      ? `AWS has what the state of ${stack.name} says.`
      : `The state of ${stack.name} now says what AWS has; npm run deploy -- up ${stack.name} makes it as declared.`,
  );
  return EXIT.done;
}
