import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expiryOf, needEphemeral, writeStackFile } from "../../deploy/ephemeral.ts";

const NOON = new Date("2026-11-21T12:00:00.000Z");
const EVENING = new Date("2026-11-21T18:00:00.000Z");

describe("the file of an ephemeral stack", () => {
  let folder = "";

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "deploy-ephemeral-"));
  });

  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  function write(stack: string, text: string): void {
    writeFileSync(join(folder, `Pulumi.${stack}.yaml`), text);
  }

  function read(stack: string): string {
    return readFileSync(join(folder, `Pulumi.${stack}.yaml`), "utf8");
  }

  it("is the other stack's, comments and lists too, without what only that one can decrypt", () => {
    write(
      "dev",
      [
        "# Cheap.",
        "secretsprovider: awskms://alias/dev",
        "encryptedkey: abc",
        "config:",
        '  websocket:minTasks: "1" # one',
        "  websocket:allowedOrigins:",
        "    - https://example.com",
        "  vendor:token:",
        "    secure: v1:xyz",
        "",
      ].join("\n"),
    );
    const { secrets, undo } = writeStackFile(folder, "pr-1", "dev", NOON);

    assert.deepEqual(secrets, ["vendor:token"]);
    assert.equal(
      read("pr-1"),
      [
        "config:",
        '  websocket:minTasks: "1" # one',
        "  websocket:allowedOrigins:",
        "    - https://example.com",
        '  deploy:expires: "2026-11-21T12:00:00.000Z"',
        "",
      ].join("\n"),
    );
    undo();
    assert.ok(!existsSync(join(folder, "Pulumi.pr-1.yaml")));
  });

  it("keeps its own values when its time is set anew", () => {
    write("dev", "config:\n  websocket:minTasks: 1\n");
    writeStackFile(folder, "pr-1", "dev", NOON);
    write("dev", "config:\n  websocket:minTasks: 2\n");
    const { secrets, undo } = writeStackFile(folder, "pr-1", "dev", EVENING);

    assert.deepEqual(secrets, []);
    assert.match(read("pr-1"), /minTasks: 1\n.*expires: "2026-11-21T18/);
    undo();
    assert.match(read("pr-1"), /expires: "2026-11-21T12/);
  });

  it("is never made of a stack that stays", () => {
    write("dev", "config: {}\n");
    write("prod", "config: {}\n");

    assert.throws(() => writeStackFile(folder, "prod", "dev", NOON), /prod is a stack that stays/);
    assert.equal(read("prod"), "config: {}\n");
    assert.throws(() => {
      needEphemeral("prod", { config: {} });
    }, /prod is a stack that stays/);
    needEphemeral("pr-1", undefined);
    needEphemeral("pr-1", { config: { "deploy:expires": { value: NOON.toISOString() } } });
  });

  it("is not made where a value is encrypted in part", () => {
    write("dev", "config:\n  vendor:keys:\n    one:\n      secure: v1:xyz\n");

    assert.throws(() => writeStackFile(folder, "pr-1", "dev", NOON), /encrypts a part of a value/);
    assert.ok(!existsSync(join(folder, "Pulumi.pr-1.yaml")));
  });

  it("says when it expires through the last update", () => {
    assert.deepEqual(expiryOf({ config: { "deploy:expires": { value: NOON.toISOString() } } }), NOON);
    assert.equal(expiryOf({ config: {} }), undefined);
    assert.equal(expiryOf(undefined), undefined);
  });
});
