/** The component in programs in YAML, as docs/other-languages.md describes. The engine starts the provider of the repository. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { isExecutable } from "../../cli/executable.ts";
import { leaveOut } from "../support/leaveOut.ts";
import { cliPath, needCli } from "./support/cli.ts";
import { Project } from "./support/project.ts";
import { theOnlyCall } from "./support/state.ts";
import { SERVICE } from "./support/types.ts";

const ROOT = join(import.meta.dirname, "..", "..");
const PROVIDER = join(ROOT, "provider");
const PAGE = readFileSync(join(ROOT, "docs/other-languages.md"), "utf8");

/** The folder of an installed package, in the example of the page. */
const INSTALLED = "./node_modules/pulumi-websocket-server/provider";

/** A command starts the engine, two language hosts and up to five providers. */
const COMMAND_TIMEOUT_MS = 120_000;

interface Program {
  readonly resources: { readonly chat: { readonly properties: Readonly<Record<string, unknown>> } };
}

describe("the component in other languages", function () {
  this.timeout(2 * COMMAND_TIMEOUT_MS);

  const example = /```yaml\n(?<program>[^`]+)```/.exec(PAGE)?.groups?.["program"] ?? "";
  let project: Project;

  before(function () {
    needCli(this);
    if (!isExecutable(join(cliPath(), "..", "pulumi-language-yaml"))) {
      leaveOut(this, { program: "Pulumi's host for YAML", fix: ".ci/install-pulumi --yaml" });
    }
  });

  beforeEach(async () => {
    project = new Project((folder) => {
      assert.ok(example.includes(INSTALLED));
      writeFileSync(join(folder, "Pulumi.yaml"), example.replace(INSTALLED, PROVIDER));
    });
    await project.pulumi("stack", "init", "dev");
  });

  afterEach(() => {
    project.close();
  });

  it("has a schema with the version of the package", async () => {
    const schema = JSON.parse(await project.pulumi("package", "get-schema", PROVIDER)) as {
      version: string;
    };
    const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { version: string };

    assert.equal(schema.version, version);
  });

  it("creates the service, outputs its URL, and then finds no changes", async () => {
    await project.pulumi("up", "--yes", "--skip-preview");
    assert.equal(theOnlyCall(project.cloud, "create", SERVICE).inputs?.["desiredCount"], 1);
    const target = theOnlyCall(project.cloud, "create", "aws:appautoscaling/target:Target");
    assert.equal(target.inputs?.["maxCapacity"], 3);
    const url = await project.pulumi("stack", "output", "url");
    assert.match(url, /^wss:\/\/d[0-9a-f]+\.cloudfront\.net\/wss\n$/);

    await project.pulumi("preview", "--expect-no-changes");
  });

  it("refuses a name that the component does not have", async () => {
    setArguments({ access: "open", maxTask: 3 });
    const { code, stdout } = await project.run("preview");

    assert.notEqual(code, 0);
    assert.match(stdout, /maxTask does not exist/);
    assert.deepEqual(project.cloud.calls(), []);
  });

  it("reports every illegal value by the name of its argument", async () => {
    setArguments({
      access: "everyone",
      maxTasks: 0,
      retention: [
        { channels: "a", messages: 100 },
        { channels: "user.*", seconds: 5 },
      ],
    });
    const { code, stdout } = await project.run("preview");

    assert.notEqual(code, 0);
    assert.match(stdout, /`access`: got "everyone"; expected one of token, open/);
    assert.match(stdout, /`maxTasks`: got 0; expected a whole number from 1/);
    assert.match(stdout, /`retention\[1\]\.seconds`: got 5; expected a whole number from 10/);
    assert.doesNotMatch(stdout, /`retention\[0\]|at .*\.ts:\d+/);
    assert.deepEqual(project.cloud.changes(), []);
  });

  function setArguments(properties: Readonly<Record<string, unknown>>): void {
    const file = join(project.folder, "Pulumi.yaml");
    const program = parse(readFileSync(file, "utf8")) as Program; // The example of the page.
    const { chat } = program.resources;
    const resources = { ...program.resources, chat: { ...chat, properties } };
    writeFileSync(file, stringify({ ...program, resources }));
  }
});
