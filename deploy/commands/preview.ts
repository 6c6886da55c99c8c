/** `preview` and `refresh`. */
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { stripVTControlCharacters } from "node:util";
import { StackNotFoundError } from "@pulumi/pulumi/automation/index.js";
import type { Stack } from "@pulumi/pulumi/automation/index.js";
import { EXIT, type Context } from "../context.ts";
import type { EngineReport } from "../engine/engineReport.ts";
import { operate, programOptions, REFRESH_OPTIONS } from "../engine/operate.ts";
import { OperationFailed } from "../errors.ts";
import { stackFileName } from "../stack/stackName.ts";
import { openStack, readState } from "../stack/workspace.ts";
import { previewMarkdown } from "./markdown.ts";

export async function preview(context: Context): Promise<number> {
  const { options, print } = context;
  const { stack, close } = await openForPreview(context);
  let output = "";
  const write = (text: string): void => {
    output += stripVTControlCharacters(text);
    context.write(text);
  };
  const writeMarkdown = (report: EngineReport, failure?: string): void => {
    const { markdown } = options;
    if (markdown !== undefined) writeFileSync(markdown, previewMarkdown(stack.name, report, output, failure));
  };
  try {
    const { report } = await operate({ ...context, write }, stack, {
      name: "preview",
      isPreview: true,
      // The comment shows the values of changed properties.
      run: (engine) =>
        stack.preview({ ...engine, ...programOptions(options), diff: options.markdown !== undefined }),
    });
    writeMarkdown(report);
    if (!options.expectNoChanges || report.changed.length === 0) return EXIT.done;
    print(`${stack.name} has changes, and --expect-no-changes is set.`);
    return EXIT.failed;
  } catch (error) {
    if (error instanceof OperationFailed) writeMarkdown(error.report, error.message);
    throw error;
  } finally {
    await close();
  }
}

/** Opens the stack. One that does not exist is created for the preview, and removed by `close`. */
async function openForPreview({
  workspace,
  options,
  root,
}: Context): Promise<{ readonly stack: Stack; readonly close: () => Promise<void> }> {
  const { stack: name } = options;
  try {
    const stack = await openStack(workspace, name, { create: false });
    return { stack, close: () => Promise.resolve() };
  } catch (error) {
    if (!(error instanceof StackNotFoundError)) throw error;
  }
  const file = path.join(root, stackFileName(name));
  const before = readFileSync(file);
  const stack = await openStack(workspace, name, { create: true });
  return {
    stack,
    close: async () => {
      await workspace.local.removeStack(name, { preserveConfig: true });
      // `stack init` has added its salt.
      writeFileSync(file, before);
    },
  };
}

export async function refresh(context: Context): Promise<number> {
  const { options, workspace, print } = context;
  const stack = await openStack(workspace, options.stack, { create: false });
  const { pending } = await readState(stack);
  const { report } = await operate(context, stack, {
    name: "refresh",
    isPreview: false,
    run: (engine) => stack.refresh({ ...engine, ...REFRESH_OPTIONS, clearPendingCreates: true }),
  });
  if (pending.length > 0) {
    print(
      `Removed from the state: ${pending.join(", ")}. If AWS created the resource, delete it there, or add it to the state with npx pulumi import.`,
    );
  }
  print(
    report.changed.length === 0
      ? `The state of ${stack.name} matches AWS.`
      : `The state of ${stack.name} now matches AWS. npm run deploy -- up ${stack.name} restores what the program declares.`,
  );
  return EXIT.done;
}
