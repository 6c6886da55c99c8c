import assert from "node:assert/strict";
import { ConfigError, stackFile } from "../../infra/config.ts";
import type { ConfigProblem } from "../../infra/config.ts";
import { evaluateStack } from "../../infra/evaluate.ts";
import { commandLine, withNamespaces } from "../../local/overrides.ts";

describe("values of the command line", () => {
  it("are the project's own, where they have no namespace", () => {
    assert.deepEqual(withNamespaces({ minTasks: "2", "aws:region": "eu-west-1" }, "websocket"), {
      "websocket:minTasks": "2",
      "aws:region": "eu-west-1",
    });
  });

  it("are mended there, and not in the stack's file", async () => {
    // What is told is done, until nothing is left to mend.
    const overrides: Record<string, string> = {
      "websocket:edge": "loadbalancer",
      "websocket:hostedZoneI": "Z0123456789",
      "websocket:originAccess": "private",
      "websocket:allowedOrigins": "example",
    };
    const told: string[] = [];
    for (
      let problems = await problemsOf(overrides);
      problems.length > 0;
      problems = await problemsOf(overrides)
    ) {
      assert.ok(told.length < 10, told.join("\n"));
      for (const { fix } of problems) {
        const mended = commandLine(overrides, stackFile("dev")).mend(fix);
        told.push(mended);
        for (const [, key = "", value] of mended.matchAll(/with(?:out)? -c ([\w:]+)(?:='?([^',]+)'?)?/g)) {
          if (value === undefined) Reflect.deleteProperty(overrides, key);
          else overrides[key] = value;
        }
      }
    }
    assert.deepEqual(told, [
      "with -c websocket:edge=load-balancer",
      `with -c websocket:allowedOrigins='["https://app.example.com"]'`,
      "without -c websocket:hostedZoneI, with -c websocket:hostedZoneId=Z0123456789",
      "without -c websocket:originAccess",
      "with -c websocket:domain=ws.example.com",
    ]);
  });

  it("are named with the stack's file, which is the place for what is only there", () => {
    const source = commandLine({ "websocket:edge": "cloudfront", "aws:region": "x" }, stackFile("dev"));
    assert.equal(source.name, "stack dev (Pulumi.dev.yaml) with -c websocket:edge, -c aws:region");
    assert.equal(
      source.mend([{ remove: "websocket:colour" }]),
      "npx pulumi config rm websocket:colour --stack dev",
    );
  });
});

async function problemsOf(config: Readonly<Record<string, string>>): Promise<readonly ConfigProblem[]> {
  try {
    await evaluateStack({ stack: "dev", config });
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}
