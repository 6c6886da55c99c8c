/** `status`: the last update, resources, pending operations, expiry and outputs of a stack. */
import type { UpdateSummary } from "@pulumi/pulumi/automation/index.js";
import { EXIT, type Context } from "../context.ts";
import { isInCloud } from "../engine/engineReport.ts";
import { countOf, formatDuration } from "../engine/wording.ts";
import { configOf, expiryOf } from "../stack/ephemeral.ts";
import { describePending, lastOperation, openStack, readState } from "../stack/workspace.ts";
import { describeOutputs } from "./outputs.ts";

const LABEL_WIDTH = "last update".length;

export async function status({ workspace, options, now, print }: Context): Promise<number> {
  const stack = await openStack(workspace, options.stack, { create: false });
  const [update, config, state, outputs] = await Promise.all([
    lastOperation(stack),
    configOf(stack),
    readState(stack),
    stack.outputs(),
  ]);
  const expires = expiryOf(config);
  const row = (label: string, text: string): void => {
    print(`${label.padEnd(LABEL_WIDTH)}  ${text}`.trimEnd());
  };

  row("stack", `${stack.name} of ${workspace.project}`);
  row("last update", update === undefined ? "none" : describeUpdate(update));
  row("resources", countOf(state.resources.filter(isInCloud).length, "resource"));
  row("pending", state.pending.length === 0 ? "nothing" : describePending(stack.name, state.pending));
  if (expires !== undefined) row(expires <= now() ? "expired" : "expires", expires.toISOString());
  if (Object.keys(outputs).length > 0) row("outputs", "");
  for (const line of describeOutputs(outputs)) print(line);
  return EXIT.done;
}

function describeUpdate({ kind, result, startTime, endTime }: UpdateSummary): string {
  const ms = endTime.getTime() - startTime.getTime();
  return `${kind} ${result}, ${startTime.toISOString()}, ${formatDuration(ms)}`;
}
