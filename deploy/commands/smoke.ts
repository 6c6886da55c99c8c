/** `smoke`: whether the stack that is there works. */
import type { OutputMap } from "@pulumi/pulumi/automation/index.js";
import { EXIT, type Context } from "../context.ts";
import { PreconditionError } from "../preconditions.ts";
import { type Aside, smoke, type SmokeTarget } from "../smoke.ts";
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
    const { roundTripMs, aside } = await smoke(target, {
      timeoutMs: options.smokeTimeoutSeconds * MS_PER_SECOND,
      onRetry: (reason) => {
        say(`  not yet: ${reason}`);
      },
    });
    const ms = `${roundTripMs.toFixed(1)} ms`;
    say(
      target.foreign === true
        ? `  ✓ ${target.websocketUrl} took a WebSocket in ${ms}; what it says is its API's`
        : `  ✓ a message went through ${target.websocketUrl} and back in ${ms}`,
    );
    if (target.aside?.must === "be refused")
      say(`  ✓ the load balancer refuses a direct request: ${aside ?? ""}`);
    if (target.aside?.must === "be redirected") say(`  ✓ a request without TLS is sent to ${aside ?? ""}`);
    return true;
  } catch (error) {
    say(`  ✗ ${error instanceof Error ? error.message : String(error)}`);
    say(`  The stack is up all the same; npm run deploy -- smoke ${stack} tries again.`);
    return false;
  }
}

/** What there is to try follows from what a stack has: see infra/edges/outputs.ts. */
function targetOf(outputs: OutputMap, token: string | undefined): SmokeTarget | undefined {
  const text = (name: string): string | undefined => {
    const value: unknown = outputs[name]?.value;
    return typeof value === "string" ? value : undefined;
  };
  const websocketUrl = text("websocketUrl");
  if (websocketUrl === undefined) return undefined;
  const loadBalancer = text("loadBalancerDnsName");
  const aside: Aside | undefined =
    text("distributionDomainName") === undefined
      ? { url: `http://${new URL(websocketUrl).host}/`, must: "be redirected" }
      : loadBalancer === undefined
        ? undefined
        : { url: `http://${loadBalancer}/`, must: "be refused" };
  return {
    websocketUrl,
    foreign: text("serviceName") === undefined,
    ...(aside !== undefined && { aside }),
    ...(token !== undefined && token !== "" && { token }),
  };
}
