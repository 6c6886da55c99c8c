import assert from "node:assert/strict";
import { settingDefinitions } from "../../../app/src/settings/settings.ts";
import { MIB } from "../../../app/src/settings/units.ts";
import { findResource } from "../../../infra/evaluation/graph.ts";
import type { DeclaredGraph } from "../../../infra/evaluation/graph.ts";
import { declaredGraph } from "../../support/stacks.ts";
import { at, list, number, text } from "../../support/values.ts";
import * as the from "./support.ts";

describe("the backplane", () => {
  let graph: DeclaredGraph;

  before(async () => {
    graph = await declaredGraph("dev");
  });

  it("is a Valkey cluster, to which the tasks connect with TLS", () => {
    const { inputs, outputs } = the.cacheOf(graph);
    const { valkeyUrl, valkeyCluster } = the.serverSettingsOf(graph);
    const { address, port } = at(outputs, "endpoints[0]");
    assert.equal(inputs["engine"], "valkey");
    assert.equal(
      valkeyUrl,
      `rediss://${text(the.userOf(graph), "userName")}@${String(address)}:${String(port)}`,
    );
    assert.equal(valkeyCluster, true);
  });

  it("lets the channels use less than its maximum, so that it never evicts", () => {
    const { valkeyBudgetMib } = the.serverSettingsOf(graph);
    const maximum = number(the.cacheOf(graph).inputs, "cacheUsageLimits.dataStorage.maximum") * 1e9;
    const share = (valkeyBudgetMib * MIB) / maximum;
    assert.ok(share > 0.7 && share < 0.8, String(share));
  });

  it("has one user, whose password the tasks get as a secret", () => {
    const group = findResource(graph, "aws:elasticache/userGroup:UserGroup").inputs;
    const password = the.secretOf(graph, "websocket-backplane-password-1");
    assert.equal(the.cacheOf(graph).inputs["userGroupId"], group["userGroupId"]);
    assert.deepEqual(list(group, "userIds"), [the.userOf(graph)["userId"]]);
    assert.deepEqual(at(the.userOf(graph), "authenticationMode"), {
      type: "password",
      passwords: [password],
    });

    const [parameter] = the.parametersOf(graph, "websocket-backplane-password");
    assert.equal(parameter?.inputs["type"], "SecureString");
    assert.equal(parameter.inputs["value"], password);
    assert.deepEqual(at(the.containerOf(graph), "secrets[0]"), {
      name: settingDefinitions.valkeyPassword.variable,
      valueFrom: parameter.outputs["arn"],
    });
    const { special, length } = the.randomPasswordOf(graph, "websocket-backplane-password-1").inputs;
    assert.equal(special, false);
    assert.ok(Number(length) >= 32);
  });

  it("accepts the current and the previous password, and the tasks get the current one", async () => {
    const rotated = await the.evaluateDev({ backplanePasswordGeneration: "3" });
    const names = ["websocket-backplane-password-3", "websocket-backplane-password-2"];
    const passwords = names.map((name) => the.secretOf(rotated, name));
    assert.deepEqual(list(the.userOf(rotated), "authenticationMode.passwords"), passwords);
    const parameters = the.parametersOf(rotated, "websocket-backplane-password");
    assert.deepEqual(
      parameters.map(({ inputs }) => inputs["value"]),
      passwords,
    );
    assert.equal(text(the.containerOf(rotated), "secrets[0].valueFrom"), parameters[0]?.outputs["arn"]);
    // ECS can still start tasks of the previous deployment.
    const readable = the.readableParametersOf(rotated);
    for (const { outputs } of parameters) assert.ok(readable.includes(outputs["arn"]));
    assert.ok(!rotated.resources.some(({ name }) => name === "websocket-backplane-password-1"));
  });
});

describe("a stack without a backplane", () => {
  let graph: DeclaredGraph;

  before(async () => {
    graph = await the.evaluateDev({ backplane: "memory", maxTasks: "1" });
  });

  it("declares no cache, and the task gets no URL and no password", () => {
    for (const { type } of graph.resources) assert.doesNotMatch(type, /elasticache/i);
    assert.deepEqual(the.parametersOf(graph, "websocket-backplane-password"), []);
    const { secrets } = the.containerOf(graph);
    assert.ok(!JSON.stringify(secrets).includes(settingDefinitions.valkeyPassword.variable));
    const { valkeyUrl, valkeyCluster } = the.serverSettingsOf(graph);
    assert.deepEqual({ valkeyUrl, valkeyCluster }, { valkeyUrl: "", valkeyCluster: false });
  });

  it("never runs two tasks, and warns that a deployment loses messages", () => {
    const { deploymentMinimumHealthyPercent, deploymentMaximumPercent, availabilityZoneRebalancing } =
      the.serviceOf(graph);
    assert.deepEqual(
      [deploymentMinimumHealthyPercent, deploymentMaximumPercent, availabilityZoneRebalancing],
      [0, 100, "DISABLED"],
    );
    assert.match(graph.warnings.join(), /backplane.*retained messages are lost/);
  });
});
