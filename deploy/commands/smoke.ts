/** `smoke`: run the smoke test against the deployed stack. */
import type { ConfigMap, OutputMap } from "@pulumi/pulumi/automation/index.js";
import { ExpectedError } from "../../app/src/settings/expectedError.ts";
import { EXIT, type Context } from "../context.ts";
import { type PlainRequest, smoke, type SmokeTarget } from "../smoke.ts";
import { configOf } from "../stack/ephemeral.ts";
import { openStack } from "../stack/workspace.ts";

const MS_PER_SECOND = 1000;

export async function smokeCommand(context: Context): Promise<number> {
  const stack = await openStack(context.workspace, context.options.stack, { create: false });
  const deployed = { stack: stack.name, outputs: await stack.outputs(), config: await configOf(stack) };
  return (await runSmokeTest(context, deployed)) ? EXIT.done : EXIT.failed;
}

/** A stack, as its last update has left it. */
interface Deployed {
  readonly stack: string;
  readonly outputs: OutputMap;
  /** Configuration of the update, with the defaults of Pulumi.yaml; `undefined` if no update is known. */
  readonly config: ConfigMap | undefined;
}

/** Prints the results, and returns whether all checks passed. */
export async function runSmokeTest(
  { options, env, print }: Pick<Context, "options" | "env" | "print">,
  { stack, outputs, config = {} }: Deployed,
): Promise<boolean> {
  const hasListener = Object.entries(config).some(
    ([key, { value }]) => key.endsWith(":listenerArn") && value !== "",
  );
  const target = targetOf(outputs, { token: env["SMOKE_TOKEN"], hasListener });
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

/**
 * The outputs determine the checks: see infra/program.ts. Other rules of an existing listener can answer requests that the
 * stack does not expect.
 */
function targetOf(
  outputs: OutputMap,
  { token, hasListener }: { readonly token: string | undefined; readonly hasListener: boolean },
): SmokeTarget | undefined {
  const textOf = (name: string): string | undefined => {
    const value: unknown = outputs[name]?.value;
    return typeof value === "string" ? value : undefined;
  };
  const websocketUrl = textOf("websocketUrl");
  if (websocketUrl === undefined) return undefined;
  const loadBalancer = textOf("loadBalancerDnsName");
  const plainRequestOf = (): PlainRequest | undefined => {
    if (hasListener) return undefined;
    if (textOf("distributionDomainName") === undefined)
      return { url: `http://${new URL(websocketUrl).host}/`, expected: "redirected" };
    return loadBalancer === undefined ? undefined : { url: `http://${loadBalancer}/`, expected: "refused" };
  };
  const plainRequest = plainRequestOf();
  return {
    websocketUrl,
    isForeign: textOf("serviceName") === undefined,
    ...(plainRequest !== undefined && { plainRequest }),
    ...(token !== undefined && token !== "" && { token }),
  };
}
