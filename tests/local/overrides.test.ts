import assert from "node:assert/strict";
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { stringify } from "yaml";
import { stackFile } from "../../infra/config/configError.ts";
import { findConfigProblems } from "../../infra/evaluation/evaluate.ts";
import { parseOptions } from "../../local/options.ts";
import { overriddenSource, withNamespaces } from "../../local/overrides.ts";
import { wordsOf } from "../support/shell.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");
const API = { apiGatewayUrl: "wss://abcdef1234.execute-api.us-east-1.amazonaws.com/prod" };
const OWN_NAME = { "websocket:domain": "ws.example.com", "websocket:hostedZoneId": "Z0123456789" };

describe("values of the command line", () => {
  /** Where the stack's files are. */
  let root = ROOT;
  const folders: string[] = [];

  afterEach(() => {
    root = ROOT;
    for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
  });

  /** A folder in which the stack dev has these values of the project's own as well. */
  function stackFiles(values: Readonly<Record<string, unknown>>): string {
    const folder = mkdtempSync(path.join(tmpdir(), "overrides-"));
    folders.push(folder);
    cpSync(path.join(ROOT, "Pulumi.yaml"), path.join(folder, "Pulumi.yaml"));
    const config = { "aws:region": "us-east-1", access: "open", ...values };
    writeFileSync(path.join(folder, "Pulumi.dev.yaml"), stringify({ config }));
    return folder;
  }

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
    const fixes: string[] = [];
    for (let round = await advice(overrides); round.length > 0; round = await advice(overrides)) {
      assert.ok(fixes.length < 10, fixes.join("\n"));
      fixes.push(...round);
      for (const fix of round) apply(fix, overrides);
      if (overrides["websocket:allowedOrigins"] === '["VALUE"]') overrides["websocket:allowedOrigins"] = "[]";
      if (overrides["websocket:domain"] === "VALUE") overrides["websocket:domain"] = "ws.example.com";
    }
    assert.deepEqual(fixes, [
      "pass `-c websocket:edge=load-balancer`",
      `pass \`-c 'websocket:allowedOrigins=["VALUE"]'\``,
      "pass `-c websocket:hostedZoneId=Z0123456789` and remove `-c websocket:hostedZoneI`",
      "remove `-c websocket:originAccess`",
      "pass `-c websocket:domain=VALUE`",
    ]);
  });

  it("are mended there also where another key has to change, which only the file gives", async () => {
    const overrides: Record<string, string> = { "websocket:heartbeatSeconds": "200" };
    const [line = "", ...others] = await advice(overrides);
    assert.deepEqual([line, ...others], ["pass `-c websocket:idleTimeoutSeconds=400`"]);
    apply(line, overrides);
    assert.deepEqual(await advice(overrides), []);
  });

  it("say what the file gives as if it were not there, where that has to go", async () => {
    root = stackFiles({ originAccess: "private", apiGatewayQueryStrings: ["token"], ...API });
    const overrides: Record<string, string> = { "websocket:edge": "load-balancer", ...OWN_NAME };
    const lines = await advice(overrides);
    assert.deepEqual(lines, [
      "pass `-c websocket:originAccess=public`",
      "pass `-c websocket:apiGatewayUrl=`",
      "pass `-c 'websocket:apiGatewayQueryStrings=[]'`",
    ]);
    for (const line of lines) apply(line, overrides);
    assert.deepEqual(await advice(overrides), []);
  });

  it("are not the place for what the file has wrong without them", async () => {
    root = stackFiles({ colour: "red", cpu: "1000" });
    assert.deepEqual(await advice({ "websocket:logLevel": "loud" }), [
      "`npx pulumi config set websocket:cpu 1024 --stack dev`",
      "pass `-c websocket:logLevel=info`",
      "`npx pulumi config rm websocket:colour --stack dev`",
    ]);
    // A key that they give is theirs, whatever the file says.
    assert.deepEqual(await advice({ "websocket:cpu": "1000" }), [
      "pass `-c websocket:cpu=1024`",
      "`npx pulumi config rm websocket:colour --stack dev`",
    ]);
  });

  it("reach the program as they are told, through a shell", async () => {
    for (const text of ["a&b", "it's", '["https://a"]', "$(id)", "two  words"]) {
      const overrides: Record<string, string> = { "websocket:jwtIssue": text };
      for (const line of await advice(overrides)) apply(line, overrides);
      assert.deepEqual(overrides, { "websocket:jwtIssuer": text });
    }
  });

  it("are named with the stack's file", () => {
    const source = overriddenSource(
      { "websocket:edge": "cloudfront", "aws:region": "x" },
      stackFile("dev"),
      [],
    );
    assert.equal(source.name, "stack dev (Pulumi.dev.yaml) with -c websocket:edge, -c aws:region");
  });

  /** What is told about the overrides. */
  async function advice(overrides: Readonly<Record<string, string>>): Promise<readonly string[]> {
    const { describeFix } = overriddenSource(
      overrides,
      stackFile("dev"),
      await findConfigProblems({ stack: "dev", root }),
    );
    return (await findConfigProblems({ stack: "dev", root, config: overrides })).map(describeFix);
  }
});

/** Changes the overrides as a fix describes it, after a shell has read its options. */
function apply(fix: string, overrides: Record<string, string>): void {
  for (const part of fix.split(/ and (?=(?:pass|remove) `)/)) {
    const [, verb = "", option = ""] = /^(\w+) `(.*)`$/s.exec(part) ?? [];
    const [flag, text = ""] = wordsOf(option);
    assert.equal(flag, "-c", fix);
    if (verb === "remove") {
      assert.ok(Reflect.deleteProperty(overrides, text));
    } else {
      assert.equal(verb, "pass");
      Object.assign(overrides, parseOptions([flag, text])?.config);
    }
  }
}
