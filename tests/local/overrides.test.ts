import assert from "node:assert/strict";
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { stringify } from "yaml";
import { stackFile } from "../../infra/config/configError.ts";
import { problemsOf } from "../../infra/evaluation/evaluate.ts";
import { parseOptions } from "../../local/options.ts";
import { commandLine, withNamespaces } from "../../local/overrides.ts";
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
    const told: string[] = [];
    for (let mended = await advice(overrides); mended.length > 0; mended = await advice(overrides)) {
      assert.ok(told.length < 10, told.join("\n"));
      told.push(...mended);
      for (const line of mended) apply(line, overrides);
    }
    assert.deepEqual(told, [
      "with -c websocket:edge=load-balancer",
      `with -c 'websocket:allowedOrigins=["https://app.example.com"]'`,
      "with -c websocket:hostedZoneId=Z0123456789, without -c websocket:hostedZoneI",
      "without -c websocket:originAccess",
      "with -c websocket:domain=ws.example.com",
    ]);
  });

  it("are mended there also where another key has to change, which only the file gives", async () => {
    const overrides: Record<string, string> = { "websocket:heartbeatSeconds": "200" };
    const [line = "", ...others] = await advice(overrides);
    assert.deepEqual([line, ...others], ["with -c websocket:idleTimeoutSeconds=400"]);
    apply(line, overrides);
    assert.deepEqual(await advice(overrides), []);
  });

  it("say what the file gives as if it were not there, where that has to go", async () => {
    root = stackFiles({ originAccess: "private", apiGatewayQueryStrings: ["token"], ...API });
    const overrides: Record<string, string> = { "websocket:edge": "load-balancer", ...OWN_NAME };
    const lines = await advice(overrides);
    assert.deepEqual(lines, [
      "with -c websocket:originAccess=public",
      "with -c websocket:apiGatewayUrl=",
      "with -c 'websocket:apiGatewayQueryStrings=[]'",
    ]);
    for (const line of lines) apply(line, overrides);
    assert.deepEqual(await advice(overrides), []);
  });

  it("are not the place for what the file has wrong without them", async () => {
    root = stackFiles({ colour: "red", cpu: "1000" });
    assert.deepEqual(await advice({ "websocket:logLevel": "loud" }), [
      "npx pulumi config set websocket:cpu 1024 --stack dev",
      "with -c websocket:logLevel=info",
      "npx pulumi config rm websocket:colour --stack dev",
    ]);
    // A key that they give is theirs, whatever the file says.
    assert.deepEqual(await advice({ "websocket:cpu": "1000" }), [
      "with -c websocket:cpu=1024",
      "npx pulumi config rm websocket:colour --stack dev",
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
    const source = commandLine({ "websocket:edge": "cloudfront", "aws:region": "x" }, stackFile("dev"), []);
    assert.equal(source.name, "stack dev (Pulumi.dev.yaml) with -c websocket:edge, -c aws:region");
  });

  /** What is told about the overrides. */
  async function advice(overrides: Readonly<Record<string, string>>): Promise<readonly string[]> {
    const { mend } = commandLine(overrides, stackFile("dev"), await problemsOf({ stack: "dev", root }));
    return (await problemsOf({ stack: "dev", root, config: overrides })).map(mend);
  }
});

/** Does what is told, as a shell understands it. */
function apply(line: string, overrides: Record<string, string>): void {
  for (const part of line.split(/, (?=with)/)) {
    const [preposition, option, text = ""] = wordsOf(part);
    assert.equal(option, "-c", line);
    if (preposition === "without") {
      assert.ok(Reflect.deleteProperty(overrides, text));
    } else {
      assert.equal(preposition, "with");
      const { config } = parseOptions([option, text]);
      Object.assign(overrides, config);
    }
  }
}
