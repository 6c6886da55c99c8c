import assert from "node:assert/strict";
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
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
const CUSTOM_DOMAIN = { "websocket:domain": "ws.example.com", "websocket:hostedZoneId": "Z0123456789" };

describe("configuration overrides", () => {
  /** The folder of the project. */
  let root = ROOT;
  const folders: string[] = [];

  afterEach(() => {
    root = ROOT;
    for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
  });

  /** A folder whose stack dev has these additional values. */
  function stackFiles(values: Readonly<Record<string, unknown>>): string {
    const folder = mkdtempSync(path.join(tmpdir(), "overrides-"));
    folders.push(folder);
    cpSync(path.join(ROOT, "Pulumi.yaml"), path.join(folder, "Pulumi.yaml"));
    symlinkSync(path.join(ROOT, "index.ts"), path.join(folder, "index.ts"));
    const config = { "aws:region": "us-east-1", access: "open", ...values };
    writeFileSync(path.join(folder, "Pulumi.dev.yaml"), stringify({ config }));
    return folder;
  }

  it("have the project's namespace by default", () => {
    assert.deepEqual(withNamespaces({ minTasks: "2", "aws:region": "eu-west-1" }, "websocket"), {
      "websocket:minTasks": "2",
      "aws:region": "eu-west-1",
    });
  });

  it("are fixed on the command line", async () => {
    // The test applies the fixes until there are no problems.
    const overrides: Record<string, string> = {
      "websocket:edge": "loadbalancer",
      "websocket:hostedZoneI": "Z0123456789",
      "websocket:originAccess": "private",
      "websocket:allowedOrigins": "example",
    };
    const fixes: string[] = [];
    for (let round = await fixesOf(overrides); round.length > 0; round = await fixesOf(overrides)) {
      assert.ok(fixes.length < 10, fixes.join("\n"));
      fixes.push(...round);
      for (const fix of round) apply(fix, overrides);
      if (overrides["websocket:allowedOrigins"] === '["VALUE"]') overrides["websocket:allowedOrigins"] = "[]";
      if (overrides["websocket:domain"] === "VALUE") overrides["websocket:domain"] = "ws.example.com";
    }
    assert.deepEqual(fixes, [
      "pass `-c edge=load-balancer`",
      `pass \`-c 'allowedOrigins=["VALUE"]'\``,
      "pass `-c hostedZoneId=Z0123456789` and remove `-c hostedZoneI`",
      "remove `-c originAccess`",
      "pass `-c domain=VALUE`",
    ]);
  });

  it("are fixed on the command line even if another key has to change, which only the file has", async () => {
    const overrides: Record<string, string> = { "websocket:heartbeatSeconds": "200" };
    const [line = "", ...others] = await fixesOf(overrides);
    assert.deepEqual([line, ...others], ["pass `-c idleTimeoutSeconds=400`"]);
    apply(line, overrides);
    assert.deepEqual(await fixesOf(overrides), []);
  });

  it("replace a value of the file by the default if that value has to be removed", async () => {
    root = stackFiles({ originAccess: "private", apiGatewayQueryStrings: ["token"], ...API });
    const overrides: Record<string, string> = { "websocket:edge": "load-balancer", ...CUSTOM_DOMAIN };
    const lines = await fixesOf(overrides);
    assert.deepEqual(lines, [
      "pass `-c originAccess=public`",
      "pass `-c apiGatewayUrl=`",
      "pass `-c 'apiGatewayQueryStrings=[]'`",
    ]);
    for (const line of lines) apply(line, overrides);
    assert.deepEqual(await fixesOf(overrides), []);
  });

  it("do not fix problems that the file has without them", async () => {
    root = stackFiles({ colour: "red", cpu: "1000" });
    assert.deepEqual(await fixesOf({ "websocket:logLevel": "loud" }), [
      "`npx pulumi config set websocket:cpu 1024 --stack dev`",
      "pass `-c logLevel=info`",
      "`npx pulumi config rm websocket:colour --stack dev`",
    ]);
    // A problem with an overridden key is fixed on the command line.
    assert.deepEqual(await fixesOf({ "websocket:cpu": "1000" }), [
      "pass `-c cpu=1024`",
      "`npx pulumi config rm websocket:colour --stack dev`",
    ]);
  });

  it("name the part of a list that has to change", async () => {
    const rules = '[{"channels":"a","seconds":5},{"channels":"a b","second":1}]';
    assert.deepEqual(await fixesOf({ "websocket:retention": rules }), [
      "set `retention[0].seconds` to 10 in `-c retention=…`",
      "remove `retention[1].second` in `-c retention=…`",
      "set `retention[1].channels` in `-c retention=…`",
    ]);
    root = stackFiles({ retention: [{ channels: "a", bytes: 262_144 }] });
    assert.deepEqual(await fixesOf({ "websocket:maxPayloadBytes": "100000" }), [
      "`npx pulumi config set --path 'websocket:retention[0].bytes' 400000 --stack dev`",
    ]);
  });

  it("are quoted for a shell", async () => {
    for (const text of ["a&b", "it's", '["https://a"]', "$(id)", "a;b"]) {
      const overrides: Record<string, string> = { "websocket:jwtIssue": text };
      for (const line of await fixesOf(overrides)) apply(line, overrides);
      assert.deepEqual(overrides, { "websocket:jwtIssuer": text });
    }
  });

  it("are listed after the stack's file", () => {
    const source = overriddenSource(
      { "websocket:edge": "cloudfront", "aws:region": "x" },
      "websocket",
      stackFile("dev"),
      [],
    );
    assert.equal(
      source.heading,
      "The configuration of stack dev (Pulumi.dev.yaml) with -c edge, -c aws:region is not usable:",
    );
  });

  /** The fixes of a configuration with these overrides. */
  async function fixesOf(overrides: Readonly<Record<string, string>>): Promise<readonly string[]> {
    const { describeFix } = overriddenSource(
      overrides,
      "websocket",
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
      assert.ok(Reflect.deleteProperty(overrides, `websocket:${text}`));
    } else {
      assert.equal(verb, "pass");
      Object.assign(overrides, withNamespaces(parseOptions([flag, text])?.config ?? {}, "websocket"));
    }
  }
}
