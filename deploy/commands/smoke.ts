/** `smoke`: whether the stack that is there works. */
import type { OutputMap } from "@pulumi/pulumi/automation/index.js";
import { EXIT, type Context } from "../context.ts";
import { PreconditionError } from "../preconditions.ts";
import { smoke, type SmokeTarget } from "../smoke.ts";
import { openStack } from "../workspace.ts";

const MS_PER_SECOND = 1000;

export async function smokeCommand(context: Context): Promise<number> {
  const stack = await openStack(context.workspace, context.options.stack, { create: false });
  return (await proveItWorks(context, stack.name, await stack.outputs())) ? EXIT.done : EXIT.failed;
}

/** Says what it found. */
export async function proveItWorks(
  { options, env, say }: Pick<Context, "options" | "env" | "say">,
  stack: string,
  outputs: OutputMap,
): Promise<boolean> {
  const target = targetOf(outputs, env["SMOKE_TOKEN"]);
  if (target === undefined) throw new PreconditionError(`${stack} is not up: it has no outputs to try.`);
  say("\nsmoke test");
  try {
    const { roundTripMs, refusal } = await smoke(target, {
      timeoutMs: options.smokeTimeoutSeconds * MS_PER_SECOND,
      onRetry: (reason) => {
        say(`  not yet: ${reason}`);
      },
    });
    say(`  ✓ a message went through ${target.websocketUrl} and back in ${roundTripMs.toFixed(1)} ms`);
    say(`  ✓ the load balancer refuses a direct request: ${refusal}`);
    return true;
  } catch (error) {
    say(`  ✗ ${error instanceof Error ? error.message : String(error)}`);
    say(`  The stack is up all the same; npm run deploy -- smoke ${stack} tries again.`);
    return false;
  }
}

function targetOf(outputs: OutputMap, token: string | undefined): SmokeTarget | undefined {
  const websocketUrl: unknown = outputs["websocketUrl"]?.value;
  const loadBalancer: unknown = outputs["loadBalancerDnsName"]?.value;
  if (typeof websocketUrl !== "string" || typeof loadBalancer !== "string") return undefined;
  return {
    websocketUrl,
    loadBalancerUrl: `http://${loadBalancer}/`,
    ...(token !== undefined && token !== "" && { token }),
  };
}
