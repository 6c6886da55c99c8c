/** `smoke`: run the smoke test against the deployed stack. */
import type { OutputMap } from "@pulumi/pulumi/automation/index.js";
import { ExpectedError } from "../../app/src/settings/expectedError.ts";
import { EXIT, type Context } from "../context.ts";
import { type PlainRequest, smoke, type SmokeTarget } from "../smoke.ts";
import { openStack } from "../stack/workspace.ts";

const MS_PER_SECOND = 1000;

export async function smokeCommand(context: Context): Promise<number> {
  const stack = await openStack(context.workspace, context.options.stack, { create: false });
  return (await runSmokeTest(context, stack.name, await stack.outputs())) ? EXIT.done : EXIT.failed;
}

/** Prints the results, and returns whether all checks passed. */
export async function runSmokeTest(
  { options, env, print }: Pick<Context, "options" | "env" | "print">,
  stack: string,
  outputs: OutputMap,
): Promise<boolean> {
  const target = targetOf(outputs, env["SMOKE_TOKEN"]);
  if (target === undefined)
    throw new ExpectedError(`${stack} has no outputs to test. Fix: \`npm run deploy -- up ${stack}\``);
  print("\nsmoke test");
  try {
    const { roundTripMs, plainResult } = await smoke(target, {
      timeoutMs: options.smokeTimeoutSeconds * MS_PER_SECOND,
      onRetry: (reason) => {
        print(`  not yet: ${reason}`);
      },
    });
    const ms = `${roundTripMs.toFixed(1)} ms`;
    print(
      target.isForeign === true
        ? `  ✓ ${target.websocketUrl} accepted a WebSocket in ${ms}; the API's messages are not tested`
        : `  ✓ a message travelled through ${target.websocketUrl} and back in ${ms}`,
    );
    if (target.plainRequest?.expected === "refused")
      print(`  ✓ the load balancer refuses a direct request: ${plainResult ?? ""}`);
    if (target.plainRequest?.expected === "redirected")
      print(`  ✓ a request without TLS is redirected to ${plainResult ?? ""}`);
    return true;
  } catch (error) {
    print(`  ✗ ${error instanceof Error ? error.message : String(error)}`);
    print(`  The stack is deployed nevertheless. npm run deploy -- smoke ${stack} tries again.`);
    return false;
  }
}

/** The outputs determine the checks: see infra/program.ts. */
function targetOf(outputs: OutputMap, token: string | undefined): SmokeTarget | undefined {
  const textOf = (name: string): string | undefined => {
    const value: unknown = outputs[name]?.value;
    return typeof value === "string" ? value : undefined;
  };
  const websocketUrl = textOf("websocketUrl");
  if (websocketUrl === undefined) return undefined;
  const loadBalancer = textOf("loadBalancerDnsName");
  const plainRequest: PlainRequest | undefined =
    textOf("distributionDomainName") === undefined
      ? { url: `http://${new URL(websocketUrl).host}/`, expected: "redirected" }
      : loadBalancer === undefined
        ? undefined
        : { url: `http://${loadBalancer}/`, expected: "refused" };
  return {
    websocketUrl,
    isForeign: textOf("serviceName") === undefined,
    ...(plainRequest !== undefined && { plainRequest }),
    ...(token !== undefined && token !== "" && { token }),
  };
}
