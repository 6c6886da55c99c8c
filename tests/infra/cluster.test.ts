import assert from "node:assert/strict";
import { evaluateStack } from "../../infra/evaluation/evaluate.ts";
import { ofType, theOnly } from "../../infra/evaluation/graph.ts";
import type { DeclaredGraph } from "../../infra/evaluation/graph.ts";
import { at, list, text } from "../support/values.ts";
import { declaredGraph } from "../support/stacks.ts";

const CLUSTER = "aws:ecs/cluster:Cluster";
const LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup";
const ROLE = "aws:iam/role:Role";
const ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy";

interface Statement {
  readonly Effect: string;
  readonly Action: string | readonly string[];
  readonly Resource: string | readonly string[];
  readonly Condition?: unknown;
}

describe("the cluster", () => {
  for (const [stack, retainData, days] of [
    ["dev", "false", "3"],
    ["prod", "true", "365"],
  ] as const) {
    it(`declares the log group of Container Insights before ECS makes one: ${stack}`, async () => {
      const graph = await declared({ stack, retainData, logRetentionDays: days, enableExec: "true" });
      const { inputs, options } = theOnly(graph, CLUSTER);
      const insights = ofType(graph, LOG_GROUP).find(
        ({ inputs: { name } }) => name === `/aws/ecs/containerinsights/${text(inputs, "name")}/performance`,
      );

      assert.ok(insights);
      assert.ok(options.dependsOn.includes(insights.urn));
    });

    it(`keeps every log group as long as the stack says: ${stack}`, async () => {
      const graph = await declared({ stack, retainData, logRetentionDays: days, enableExec: "true" });
      const groups = ofType(graph, LOG_GROUP);

      assert.equal(groups.length, 3);
      for (const { name, inputs, options } of groups) {
        assert.equal(inputs["retentionInDays"], Number(days), name);
        assert.equal(options.retainOnDelete, retainData === "true", name);
      }
    });
  }
});

describe("ECS Exec", () => {
  it("logs its sessions, and the task may write that log", async () => {
    const graph = await declared({ enableExec: "true" });
    const { logging, logConfiguration } = at(
      theOnly(graph, CLUSTER).inputs,
      "configuration.executeCommandConfiguration",
    );
    const group = ofType(graph, LOG_GROUP).find(
      ({ outputs }) => outputs["name"] === at(logConfiguration, "")["cloudWatchLogGroupName"],
    );

    assert.equal(logging, "OVERRIDE");
    assert.ok(group);
    const allowed = statementsOf(graph, "task").flatMap(({ Action, Resource }) =>
      [Action].flat().map((action) => `${action} ${String(Resource)}`),
    );
    for (const action of ["CreateLogStream", "DescribeLogStreams", "PutLogEvents"]) {
      assert.ok(allowed.includes(`logs:${action} ${String(group.outputs["arn"])}:*`), action);
    }
    assert.ok(allowed.includes("ssmmessages:OpenDataChannel *"));
    assert.equal(service(graph)["enableExecuteCommand"], true);
  });

  it("is off by default, and a task may do nothing in AWS then", async () => {
    const graph = await declared({ enableExec: undefined });

    assert.equal(service(graph)["enableExecuteCommand"], false);
    assert.equal(theOnly(graph, CLUSTER).inputs["configuration"], undefined);
    assert.deepEqual(statementsOf(graph, "task"), []);
    assert.ok(!JSON.stringify(graph.resources.map(({ inputs }) => inputs)).includes("ssmmessages"));
  });

  it("is on in dev and off in prod", async () => {
    for (const [stack, isOn] of [
      ["dev", true],
      ["prod", false],
    ] as const) {
      assert.equal(service(await declaredGraph(stack))["enableExecuteCommand"], isOn, stack);
    }
  });
});

describe("the roles", () => {
  it("are assumed for this account only", async () => {
    const roles = ofType(await declaredGraph("prod"), ROLE);

    assert.ok(roles.length >= 2);
    for (const { name, inputs } of roles) {
      const trust: unknown = JSON.parse(text(inputs, "assumeRolePolicy"));
      for (const statement of list(trust, "Statement")) {
        assert.deepEqual(
          at(statement, "Condition"),
          { StringEquals: { "aws:SourceAccount": "123456789012" } },
          name,
        );
      }
    }
  });
});

function declared({
  stack = "dev",
  ...config
}: Readonly<Record<string, string | undefined>>): Promise<DeclaredGraph> {
  const values = Object.entries(config).map(([key, value]) => [`websocket:${key}`, value]);
  return evaluateStack({ stack, config: Object.fromEntries(values) as Record<string, string | undefined> });
}

const service = (graph: DeclaredGraph) => theOnly(graph, "awsx:ecs:FargateService").inputs;

/** What the policy of a task's role, or of its execution role, allows. */
function statementsOf(graph: DeclaredGraph, role: "task" | "execution"): readonly Statement[] {
  return ofType(graph, ROLE_POLICY)
    .filter(({ name }) => name === `websocket-service-${role}-policy`)
    .flatMap(({ inputs }) => {
      // Written by the program as IAM reads it.
      const { Statement } = JSON.parse(text(inputs, "policy")) as { Statement: readonly Statement[] };
      return Statement;
    });
}
