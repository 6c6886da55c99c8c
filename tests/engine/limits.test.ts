import assert from "node:assert/strict";
import { copyFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { atSuiteEnd } from "../support/atSuiteEnd.ts";
import { BROKEN_PROGRAM } from "./support/brokenProgram.ts";
import { needCli } from "./support/cli.ts";
import type { Call } from "./support/cloud.ts";
import { Project } from "./support/project.ts";
import { LIMITS, refusals } from "./support/providers/limits.ts";
import type { Limit } from "./support/providers/limits.ts";
import { DISTRIBUTION, LISTENER_RULE, SERVICE, TASK_DEFINITION } from "./support/types.ts";
import { withValue } from "./support/withValue.ts";

/** What the program leaves to AWS, or to Pulumi: what it would declare instead is held to the limit too. */
const LEFT_OUT = ["name", "priority"];

/** The stack is there already, and the program leaves this one to the autoscaler. */
const IGNORED_IN_UPDATES = "desiredCount";

/** The types that carry connections, each of which breaks an update where AWS refuses it. */
const PREVIEWED = [
  "aws:appautoscaling/policy:Policy",
  DISTRIBUTION,
  "aws:cloudwatch/logGroup:LogGroup",
  SERVICE,
  TASK_DEFINITION,
  LISTENER_RULE,
  "aws:lb/loadBalancer:LoadBalancer",
  "aws:lb/targetGroup:TargetGroup",
] as const;

/** Every type that the stack dev does without. */
const OTHER_EDGES = {
  originAccess: "private",
  originTls: "origin.example.com",
  domain: "ws.example.com",
  hostedZoneId: "Z0123456789ABCDEFGHIJ",
  apiGatewayUrl: "wss://abcdef1234.execute-api.us-east-1.amazonaws.com/prod",
};

/** Two stacks are created first: seconds, and on a busy machine many. */
const COMMANDS_TIMEOUT_MS = 180_000;

describe("what AWS refuses", function () {
  this.timeout(COMMANDS_TIMEOUT_MS);

  let project: Project;
  /** The resources of the stack dev, and of one with what that has not, as the providers were asked for them. */
  let declared: readonly Call[];

  before(async function () {
    needCli(this);
    project = new Project();
    atSuiteEnd(this, () => {
      project.close();
    });
    const other = await created("other", OTHER_EDGES);
    declared = [...(await created("dev", {})), ...other];
  });

  for (const limit of LIMITS) {
    const { type, path, allowed, wrong } = limit;

    it(`${type} ${path} that is not ${allowed}`, () => {
      const { name, inputs = {} } = declaredOf(limit);
      assert.deepEqual(refusals(type, name, inputs), []);

      const found = refusals(type, name, withValue(inputs, path, wrong));
      const property = path.replaceAll("[]", "[0]");
      assert.ok(
        found.some((refusal) => refusal.property === property),
        JSON.stringify(found),
      );
    });
  }

  it("a name that Pulumi would make too long", () => {
    const type = "aws:lb/loadBalancer:LoadBalancer";
    const { inputs = {} } = declaredOf({ type, path: "name" });
    assert.deepEqual(refusals(type, "x".repeat(24), inputs), []);
    assert.deepEqual(
      refusals(type, "x".repeat(25), inputs).map(({ property }) => property),
      ["name"],
    );
  });

  // A preview ends with the first resource that is refused; what is said of it is all that is wrong with it.
  for (const type of PREVIEWED) {
    it(`ends a preview, which names the ${type} and everything that is wrong with it`, async () => {
      const limits = LIMITS.filter((limit) => limit.type === type && limit.path !== IGNORED_IN_UPDATES);
      const values = limits.map(({ path, wrong }) => [path, wrong] as const).filter(isOutermost);
      writeFileSync(join(project.folder, "broken.json"), JSON.stringify({ type, values }));
      writeFileSync(join(project.folder, "index.ts"), BROKEN_PROGRAM);
      const { code, stdout } = await project.run("preview");

      assert.notEqual(code, 0);
      const [{ name } = { name: "" }] = declared.filter((call) => call.type === type);
      for (const [path] of values) {
        const property = path.replaceAll("[]", "[0]");
        assert.ok(stdout.includes(`${type} resource '${name}': property ${property} value`), path);
      }
    });
  }

  async function created(stack: string, config: Readonly<Record<string, string>>): Promise<readonly Call[]> {
    if (stack !== "dev") {
      copyFileSync(join(project.folder, "Pulumi.dev.yaml"), join(project.folder, `Pulumi.${stack}.yaml`));
    }
    project.configure(stack, config);
    project.cloud.forget();
    await project.pulumi("stack", "init", stack);
    await project.pulumi("up", "--yes", "--skip-preview");
    return project.cloud.changes();
  }

  function declaredOf({ type, path }: Pick<Limit, "type" | "path">): Call {
    const [first] = path.split(/[.[]/, 1);
    const found = declared.find(
      (call) => call.type === type && (LEFT_OUT.includes(path) || call.inputs?.[first ?? ""] !== undefined),
    );
    assert.ok(found, `the program declares ${type} with ${path}`);
    return found;
  }
});

/** Of a list and its items one can be wrong at a time. */
function isOutermost(
  [path]: readonly [path: string, wrong: unknown],
  _index: number,
  values: readonly (readonly [path: string, wrong: unknown])[],
): boolean {
  return !values.some(([other]) => path === `${other}[]`);
}
