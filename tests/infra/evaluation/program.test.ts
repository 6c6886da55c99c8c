import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { evaluateStack } from "../../../infra/evaluation/evaluate.ts";
import type { DeclaredGraph } from "../../../infra/evaluation/graph.ts";

const ROOT = path.resolve(import.meta.dirname, "../../..");
const PROJECT = "name: mine\nruntime: nodejs\n";
const MODULE = '{ "type": "module" }';

describe("the evaluation of a program of any project", () => {
  const folders: string[] = [];

  /** A project folder with the packages of the repository. */
  function project(files: Readonly<Record<string, string>>): string {
    const root = realpathSync(mkdtempSync(path.join(tmpdir(), "program-")));
    folders.push(root);
    symlinkSync(path.join(ROOT, "node_modules"), path.join(root, "node_modules"));
    for (const [name, text] of Object.entries({ "Pulumi.yaml": PROJECT, "package.json": MODULE, ...files })) {
      mkdirSync(path.dirname(path.join(root, name)), { recursive: true });
      writeFileSync(path.join(root, name), text);
    }
    return root;
  }

  function outputsOf(files: Readonly<Record<string, string>>): Promise<DeclaredGraph["outputs"]> {
    return evaluateStack({ stack: "dev", root: project(files) }).then(({ outputs }) => outputs);
  }

  after(() => {
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  });

  it("returns the named exports, and which of them are secret", async () => {
    const root = project({
      "index.ts": `
        import * as aws from "@pulumi/aws";
        import * as pulumi from "@pulumi/pulumi";
        const table: aws.dynamodb.Table = new aws.dynamodb.Table("orders", { hashKey: "id" });
        export const tableArn = table.arn;
        export const nested = { name: table.name, count: 2 };
        export const password = pulumi.secret("hush");
      `,
    });
    const { outputs, secretOutputs, resources, folder } = await evaluateStack({ stack: "dev", root });
    assert.match(
      String(outputs["tableArn"]),
      /^arn:aws:dynamodb:us-east-1:\d{12}:table\/orders-[0-9a-f]{7}$/,
    );
    assert.match(JSON.stringify(outputs["nested"]), /^\{"name":"orders-[0-9a-f]{7}","count":2\}$/);
    assert.equal(outputs["password"], "hush");
    assert.deepEqual(secretOutputs, ["password"]);
    assert.deepEqual(
      resources.map(({ type }) => type),
      ["pulumi:pulumi:Stack", "aws:dynamodb/table:Table"],
    );
    assert.equal(folder, root);
  });

  for (const [what, program] of Object.entries({
    "a function": "export default () => ({ answer: 42 });",
    "an async function": "export default async () => { await null; return { answer: 42 }; };",
    "an object": "export default { answer: 42 };",
  })) {
    it(`returns what the default export has, if it is ${what}`, async () => {
      assert.deepEqual(await outputsOf({ "index.ts": program }), { answer: 42 });
    });
  }

  it("rejects a default export beside named ones, as Pulumi does", async () => {
    await assert.rejects(outputsOf({ "index.ts": "export default {}; export const a = 1;" }), {
      message: /index\.ts: got a default export and named exports; expected one of both\.$/,
    });
  });

  it("runs the file that `main` in Pulumi.yaml names, in its folder", async () => {
    const files = {
      "Pulumi.yaml": `${PROJECT}main: deploy/program.ts\n`,
      "deploy/program.ts": "export const folder = process.cwd();",
    };
    const root = project(files);
    const before = process.cwd();
    const { outputs, folder } = await evaluateStack({ stack: "dev", root });
    assert.equal(outputs["folder"], path.join(root, "deploy"));
    assert.equal(folder, path.join(root, "deploy"));
    assert.equal(process.cwd(), before);
  });

  it("leaves the outputs of other stacks undefined, and names one that is required", async () => {
    const program = (read: string): Readonly<Record<string, string>> => ({
      "index.ts": `
        import * as pulumi from "@pulumi/pulumi";
        const network = new pulumi.StackReference("org/net/dev");
        export const vpcId = ${read};
      `,
    });
    const outputs = await outputsOf(program('network.getOutput("vpcId").apply((id) => id ?? "none")'));
    assert.equal(outputs["vpcId"], "none");
    await assert.rejects(outputsOf(program('network.requireOutput("vpcId")')), {
      name: "ExpectedError",
      message:
        /^Output `vpcId` of stack org\/net\/dev: an evaluation does not read other stacks\. Fix: .*`-c vpcId=VALUE`$/,
    });
  });

  it("compiles TypeScript to CommonJS, as Pulumi does for a project without a module type", async () => {
    assert.deepEqual(
      await outputsOf({
        "package.json": "{}",
        "index.ts": `
          import { answer } from "./answer";
          enum Kind { small }
          exports.answer = answer + Kind.small;
          exports.folder = require("path").basename(__dirname) !== "";
        `,
        "answer.ts": "export const answer: number = 42;",
      }),
      { answer: 42, folder: true },
    );
  });

  it("does not compile the TypeScript of packages with modules, such as this one, to CommonJS", async () => {
    assert.deepEqual(
      await outputsOf({
        "package.json": "{}",
        "index.ts": 'export { name } from "./modules/name.ts";',
        "modules/package.json": MODULE,
        "modules/name.ts": 'export const name = import.meta.url.endsWith("/name.ts") ? "of a module" : "";',
      }),
      { name: "of a module" },
    );
  });

  for (const [kind, files] of Object.entries({
    modules: {
      "index.ts": 'import { bucket } from "./bucket.ts"; export const id = bucket.id;',
      "bucket.ts": `
        import * as aws from "@pulumi/aws";
        import { Config } from "@pulumi/pulumi";
        export const bucket = new aws.s3.Bucket(new Config().require("bucket"));
      `,
    },
    CommonJS: {
      "package.json": "{}",
      "index.ts": 'import { bucket } from "./bucket"; export const id = bucket.id;',
      "bucket.ts": `
        import * as aws from "@pulumi/aws";
        import { Config } from "@pulumi/pulumi";
        export const bucket = new aws.s3.Bucket(new Config().require("bucket"));
      `,
    },
  })) {
    it(`runs every module of a program again in the next evaluation: ${kind}`, async () => {
      const root = project(files);
      for (const bucket of ["first", "second"]) {
        const graph = await evaluateStack({ stack: "dev", root, config: { "mine:bucket": bucket } });
        assert.deepEqual(
          graph.resources.map(({ name }) => name),
          ["mine-dev", bucket],
        );
        assert.ok("id" in graph.outputs);
      }
    });
  }

  it("returns what the program reports as warnings, and rejects what it reports as an error", async () => {
    const warn = 'import * as pulumi from "@pulumi/pulumi"; pulumi.log.warn("a"); export const b = 1;';
    const graph = await evaluateStack({ stack: "dev", root: project({ "index.ts": warn }) });
    assert.deepEqual(graph.warnings, ["a"]);
    await assert.rejects(outputsOf({ "index.ts": warn.replace("warn", "error") }), {
      name: "ExpectedError",
      message: "a",
    });
  });

  it("rejects with the error of the program, whose stack trace names the line", async () => {
    for (const program of [
      "\nthrow new Error('mine');",
      "\nexport default () => { throw new Error('mine'); };",
      "\nimport { output } from '@pulumi/pulumi'; export const a = output(1).apply(() => { throw new Error('mine'); });",
      "\nimport { output } from '@pulumi/pulumi'; output(1).apply(() => { throw new Error('mine'); });",
    ]) {
      await assert.rejects(outputsOf({ "index.ts": program }), ({ message, stack = "" }: Error) => {
        assert.equal(message, "mine");
        assert.match(stack, /index\.ts(?:\?evaluation=\d+)?:2:/);
        return true;
      });
    }
    assert.deepEqual(await outputsOf({ "index.ts": "export const a = 1;" }), { a: 1 });
  });

  it("accepts transforms, which have no effect", async () => {
    assert.deepEqual(
      await outputsOf({
        "index.ts": `
          import * as aws from "@pulumi/aws";
          import * as pulumi from "@pulumi/pulumi";
          pulumi.runtime.registerResourceTransform(() => undefined);
          const bucket = new aws.s3.Bucket("b", {}, { transforms: [() => undefined] });
          export const region = bucket.id.apply(() => "known");
        `,
      }),
      { region: "known" },
    );
  });

  it("has the values of Pulumi.yaml and of the stack's file, nested ones too", async () => {
    const read = `
      import { Config } from "@pulumi/pulumi";
      const config = new Config();
      export const values = [config.get("size"), config.get("mode"), config.getObject("tree"), new Config("aws").get("region")];
    `;
    const root = project({
      "Pulumi.yaml": `${PROJECT}config:\n  size: { type: integer, default: 3 }\n  mode: { value: fast }\n  aws:region: eu-west-1\n`,
      "index.ts": read,
    });
    const without = await evaluateStack({ stack: "dev", root });
    assert.deepEqual(without.outputs["values"], ["3", "fast", undefined, "eu-west-1"]);
    writeFileSync(path.join(root, "Pulumi.dev.yaml"), "config:\n  mine:size: 4\n  tree: { a: [1] }\n");
    const graph = await evaluateStack({ stack: "dev", root, config: { "mine:mode": "slow" } });
    assert.deepEqual(graph.outputs["values"], ["4", "slow", { a: [1] }, "eu-west-1"]);
  });

  it("reports a folder without a program, another language, and a missing package", async () => {
    await assert.rejects(
      outputsOf({}),
      /: got no program; expected index\.js, index\.mjs, index\.ts, index\.mts, or the file/,
    );
    await assert.rejects(
      outputsOf({ "Pulumi.yaml": "name: mine\nruntime: python\n" }),
      /Pulumi\.yaml: `runtime`: got python; expected nodejs/,
    );
    await assert.rejects(outputsOf({ "index.ts": 'import "not-there";' }), {
      name: "ExpectedError",
      message: /^Cannot find package 'not-there' imported from .*index\.ts.*\. Fix: run `npm install` in /,
    });
  });
});
