import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  expiryOf,
  needEphemeral,
  hasExpiryInfo,
  writeStackFile,
  type StackFile,
} from "../../../deploy/stack/ephemeral.ts";

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

  function copy(stack: string, expires: Date): StackFile {
    return writeStackFile(folder, { project: "websocket", stack, from: "dev", expires });
  }

  it("is a copy with comments and lists, without the encrypted values", () => {
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
    const { secrets, undo } = copy("pr-1", NOON);

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

  it("keeps its own values when the expiry changes", () => {
    write("dev", "config:\n  websocket:minTasks: 1\n");
    copy("pr-1", NOON);
    write("dev", "config:\n  websocket:minTasks: 2\n");
    const { secrets, undo } = copy("pr-1", EVENING);

    assert.deepEqual(secrets, []);
    assert.match(read("pr-1"), /minTasks: 1\n.*expires: "2026-11-21T18/);
    undo();
    assert.match(read("pr-1"), /expires: "2026-11-21T12/);
  });

  it("is not written for a permanent stack", () => {
    write("dev", "config: {}\n");
    write("prod", "config: {}\n");

    assert.throws(() => copy("prod", NOON), /prod is a permanent stack/);
    assert.equal(read("prod"), "config: {}\n");
    assert.throws(() => {
      needEphemeral("prod", {});
    }, /prod is a permanent stack/);
    needEphemeral("pr-1", undefined);
    needEphemeral("pr-1", { "deploy:expires": { value: NOON.toISOString() } });
  });

  it("is not written if a value is partly encrypted", () => {
    write("dev", "config:\n  vendor:keys:\n    one:\n      secure: v1:xyz\n");

    assert.throws(() => copy("pr-1", NOON), /encrypts a part of a value/);
    assert.ok(!existsSync(join(folder, "Pulumi.pr-1.yaml")));
  });

  it("has no protection, so that the stack can be swept", () => {
    write("dev", 'config:\n  protect: "true"\n  websocket:retainData: true\n  vendor:protect: "true"\n');
    copy("pr-1", NOON);

    assert.equal(
      read("pr-1"),
      [
        "config:",
        '  protect: "false"',
        '  websocket:retainData: "false"',
        '  vendor:protect: "true"',
        '  deploy:expires: "2026-11-21T12:00:00.000Z"',
        "",
      ].join("\n"),
    );
  });

  it("contains the expiry, which the stack's history keeps", () => {
    assert.deepEqual(expiryOf({ "deploy:expires": { value: NOON.toISOString() } }), NOON);
    assert.equal(expiryOf({}), undefined);
    assert.equal(expiryOf(undefined), undefined);
    assert.throws(
      () => expiryOf({ "deploy:expires": { value: "tomorrow" } }),
      /^ExpectedError: `deploy:expires`: got "tomorrow"; expected a time such as 20/,
    );
  });

  it("determines the expiry only in operations that had it", () => {
    const expires = { "deploy:expires": { value: NOON.toISOString() } };
    assert.ok(!hasExpiryInfo({ kind: "destroy", config: {} }));
    assert.ok(hasExpiryInfo({ kind: "refresh", config: expires }));
    // An update without the key makes the stack permanent.
    assert.ok(hasExpiryInfo({ kind: "update", config: {} }));
  });
});
