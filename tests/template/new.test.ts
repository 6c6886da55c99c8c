import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { parse } from "yaml";
import { evaluateStack } from "../../infra/evaluation/evaluate.ts";
import { needCli } from "../engine/support/cli.ts";
import { atSuiteEnd } from "../support/atSuiteEnd.ts";
import { declaredGraph } from "../support/stacks.ts";
import { at, text, valueAt } from "../support/values.ts";
import { Template } from "./support.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");

/** Commands start the engine, the program and up to four providers: seconds, and on a busy machine many. */
const COMMANDS_TIMEOUT_MS = 180_000;

const SCALABLE_TARGET = "aws:appautoscaling/target:Target";

describe("pulumi new with a clone of the repository", function () {
  this.timeout(COMMANDS_TIMEOUT_MS);

  let template: Template;
  let folder: string;

  before(async function () {
    needCli(this);
    template = new Template();
    atSuiteEnd(this, () => {
      template.close();
    });
    folder = await template.create(
      "my-sockets",
      "--description",
      "Ours",
      "--stack",
      "dev",
      "--generate-only",
    );
  });

  it("creates a project with the name and the configuration schema", () => {
    const project: unknown = parse(readFileSync(path.join(folder, "Pulumi.yaml"), "utf8"));
    assert.equal(text(project, "name"), "my-sockets");
    assert.equal(text(project, "description"), "Ours");
    assert.equal(at(project, "")["template"], undefined);
    assert.equal(valueAt(project, "config.maxTasks.default"), 5);
  });

  for (const stack of ["dev", "prod"]) {
    it(`creates a stack ${stack} with the values of its file, which can be previewed`, async () => {
      await template.pulumi(folder, "stack", "init", stack);
      const config: unknown = JSON.parse(await template.pulumi(folder, "config", "--json", "--stack", stack));
      const { resources } = await declaredGraph(stack);
      const { inputs } = resources.find(({ type }) => type === SCALABLE_TARGET) ?? {};
      assert.equal(Number(text(at(config, "my-sockets:maxTasks"), "value")), valueAt(inputs, "maxCapacity"));
      assert.ok(!Object.keys(at(config, "")).some((key) => key.startsWith("websocket:")));

      const preview = await template.pulumi(folder, "preview", "--stack", stack);
      assert.match(preview, new RegExp(`pulumi:pulumi:Stack my-sockets-${stack} create`));
    });
  }

  it("requires `access` in each new stack", async () => {
    const asked = at(parse(readFileSync(path.join(ROOT, "Pulumi.yaml"), "utf8")), "template.config");
    assert.ok("access" in asked);
    assert.equal(valueAt(asked, "access.default"), undefined);

    await template.pulumi(folder, "stack", "init", "staging");
    await template.pulumi(folder, "config", "set", "aws:region", "us-east-1", "--stack", "staging");
    await assert.rejects(template.pulumi(folder, "preview", "--stack", "staging"), ({ message }: Error) => {
      assert.match(message, /`my-sockets:access`: got nothing; expected one of token, open/);
      assert.match(message, /config set my-sockets:access token --stack staging && .*my-sockets:jwtAudience/);
      assert.match(message, /, or `npx pulumi config set my-sockets:access open --stack staging`/);
      return true;
    });
    await template.pulumi(folder, "config", "set", "access", "open", "--stack", "staging");
    await template.pulumi(folder, "preview", "--stack", "staging");
  });

  it("creates a project that evaluates like the repository", async () => {
    const theirs = await evaluateStack({ stack: "prod", root: folder });
    const ours = await declaredGraph("prod");
    const capacity = ({ resources }: typeof ours) =>
      resources.find(({ type }) => type === SCALABLE_TARGET)?.inputs["maxCapacity"];
    assert.equal(capacity(theirs), capacity(ours));
  });
});

/** A stack with every output. */
const EVERYTHING = {
  "websocket:apiGatewayUrl": "wss://abcdef1234.execute-api.us-east-1.amazonaws.com/prod",
};

describe("Pulumi.README.md, which Pulumi Cloud shows", () => {
  it("names every output of the program", async () => {
    const { outputs } = await evaluateStack({ stack: "dev", config: EVERYTHING });
    const readme = readFileSync(path.join(ROOT, "Pulumi.README.md"), "utf8");
    const named = [...readme.matchAll(/\$\{(.*?)\}/g)].map(([, reference = ""]) => reference);
    // The page must not show the secret one.
    const known = Object.keys(outputs).filter((name) => name !== "readme" && name !== "apiKey");
    assert.match(readme, /^npx pulumi stack output apiKey --show-secrets$/m);
    assert.deepEqual([...new Set(named)].sort(), known.map((name) => `outputs.${name}`).sort());
  });
});
