import assert from "node:assert/strict";
import { settingDefinitions } from "../../../app/src/settings/settings.ts";
import type { DeclaredGraph } from "../../../infra/evaluation/graph.ts";
import { list } from "../../support/values.ts";
import * as the from "./support.ts";

const NAME = "websocket-api-key";

const VARIABLE = settingDefinitions.apiKeys.variable;

function variableOf(graph: DeclaredGraph): unknown {
  const found = list(the.containerOf(graph), "secrets").find((secret) =>
    JSON.stringify(secret).includes(VARIABLE),
  );
  return (found as { readonly valueFrom: unknown } | undefined)?.valueFrom;
}

describe("the API key", () => {
  it("is random, and the tasks get it as a secret", async () => {
    const graph = await the.evaluateDev({});
    const [parameter, ...others] = the.parametersOf(graph, NAME);
    assert.deepEqual(others, []);
    assert.equal(parameter?.inputs["type"], "SecureString");
    const key = the.secretOf(graph, `${NAME}-1`);
    assert.equal(parameter.inputs["value"], key);
    assert.match(key, new RegExp(`^(?:${settingDefinitions.apiKeys.pattern.source})$`));
    assert.notEqual(key, "");
    assert.equal(variableOf(graph), parameter.outputs["arn"]);
    assert.equal(graph.outputs["apiKey"], key);
  });

  it("remains valid after one rotation, and not after two", async () => {
    const rotated = await the.evaluateDev({ apiKeyGeneration: "3" });
    const [current, previous] = [the.secretOf(rotated, `${NAME}-3`), the.secretOf(rotated, `${NAME}-2`)];
    const parameters = the.parametersOf(rotated, NAME);
    assert.deepEqual(
      parameters.map(({ inputs }) => inputs["value"]),
      [`${current} ${previous}`, previous],
    );
    assert.equal(variableOf(rotated), parameters[0]?.outputs["arn"]);
    assert.equal(rotated.outputs["apiKey"], current);
    // ECS can still start tasks of the previous deployment.
    const readable = the.readableParametersOf(rotated);
    for (const { outputs } of parameters) assert.ok(readable.includes(outputs["arn"]));
    assert.ok(!rotated.resources.some(({ name }) => name === `${NAME}-1`));
  });

  it("does not exist if there is only an API Gateway", async () => {
    const graph = await the.evaluateDev({
      edge: "api-gateway",
      apiGatewayUrl: "wss://a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com/production",
    });
    assert.ok(!graph.resources.some(({ name }) => name.startsWith(NAME)));
    assert.equal(graph.outputs["apiKey"], undefined);
  });
});
