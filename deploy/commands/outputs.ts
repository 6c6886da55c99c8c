/** `outputs`. */
import type { OutputMap } from "@pulumi/pulumi/automation/index.js";
import { EXIT, type Context } from "../context.ts";
import { openStack } from "../workspace.ts";

export async function outputs({ workspace, options, say }: Context): Promise<number> {
  const stack = await openStack(workspace, options.stack, { create: false });
  const values = await stack.outputs();
  if (options.json) say(JSON.stringify(masked(values), undefined, 2));
  else for (const line of describeOutputs(values)) say(line);
  return EXIT.done;
}

/** A page of text, for Pulumi Cloud. */
const PAGE = "readme";

/** One line for each, in alphabetical order. */
export function describeOutputs(values: OutputMap): readonly string[] {
  const entries = Object.entries(masked(values)).filter(([name]) => name !== PAGE);
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
