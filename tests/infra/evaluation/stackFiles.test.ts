import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { readStackFiles } from "../../../infra/evaluation/stackFiles.ts";

const ROOT = path.resolve(import.meta.dirname, "../../..");

describe("the stack files", () => {
  it("have the values of the stack, or else the defaults in Pulumi.yaml", () => {
    const { project, config } = readStackFiles(ROOT, "dev");
    assert.equal(project, "websocket");
    assert.equal(config["websocket:cpu"], "1024");
    assert.equal(config["websocket:requestsPerTarget"], "5");
    assert.equal(config["websocket:allowedOrigins"], "[]");
    assert.equal(config["aws:region"], "us-east-1");
  });

  it("report a missing Pulumi.yaml", () => {
    const folder = path.join(ROOT, "infra");
    assert.throws(() => readStackFiles(folder, "dev"), {
      message: `${folder} has no Pulumi.yaml; expected the folder of a Pulumi project. Fix: restore the file`,
    });
  });

  it("report a missing stack with the existing ones", () => {
    assert.throws(() => readStackFiles(ROOT, "prd"), /Pulumi\.prd\.yaml.*dev, prod.*Did you mean prod\?/);
  });

  it("report the file with invalid YAML", () => {
    const root = mkdtempSync(path.join(tmpdir(), "stack-files-"));
    writeFileSync(path.join(root, "Pulumi.yaml"), "name: websocket\nruntime: nodejs\n");
    writeFileSync(path.join(root, "Pulumi.x.yaml"), "config:\n  a: 1\n  a: 2\n");
    assert.throws(
      () => readStackFiles(root, "x"),
      /^ExpectedError: Pulumi\.x\.yaml: Map keys must be unique at line 3/,
    );
    rmSync(root, { recursive: true });
  });

  it("report an encrypted value, which only Pulumi can read", () => {
    const root = mkdtempSync(path.join(tmpdir(), "stack-files-"));
    writeFileSync(path.join(root, "Pulumi.yaml"), "name: websocket\nruntime: nodejs\n");
    writeFileSync(path.join(root, "Pulumi.x.yaml"), "config:\n  websocket:a:\n    secure: xyz\n  b: 1\n");
    assert.throws(
      () => readStackFiles(root, "x"),
      /`websocket:a`: got an encrypted value.*--plaintext websocket:a/,
    );
    rmSync(root, { recursive: true });
  });
});
