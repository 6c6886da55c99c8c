/** `outputs`: the outputs of a stack, with secrets masked. */
import type { OutputMap } from "@pulumi/pulumi/automation/index.js";
import { EXIT, type Context } from "../context.ts";
import { openStack } from "../stack/workspace.ts";

export async function outputs({ workspace, options, print }: Context): Promise<number> {
  const stack = await openStack(workspace, options.stack, { create: false });
  const values = await stack.outputs();
  if (options.json) print(JSON.stringify(masked(values), undefined, 2));
  else for (const line of describeOutputs(values)) print(line);
  return EXIT.done;
}

/** A page of Markdown that Pulumi Cloud shows. */
const README_OUTPUT = "readme";

/** One line per output in alphabetical order, without the readme. */
export function describeOutputs(values: OutputMap): readonly string[] {
  const entries = Object.entries(masked(values)).filter(([name]) => name !== README_OUTPUT);
  const width = Math.max(0, ...entries.map(([name]) => name.length));
  return entries
    .sort(([one], [other]) => one.localeCompare(other))
    .map(
      ([name, value]) =>
        `  ${name.padEnd(width)}  ${typeof value === "string" ? value : JSON.stringify(value)}`,
    );
}

function masked(values: OutputMap): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(values).map(([name, { value, secret }]) => [
      name,
      secret ? "[secret]" : (value as unknown),
    ]),
  );
}
