import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { ExpectedError } from "../../app/src/settings/expectedError.ts";
import {
  explainCliError,
  findCli,
  needCredentials,
  needPassphrase,
  needStackFile,
} from "../../deploy/preconditions.ts";

describe("the preconditions of deploy", () => {
  let folder = "";

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "deploy-preconditions-"));
  });

  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  function write(file: string, text = "", mode = 0o644): void {
    mkdirSync(join(folder, file, ".."), { recursive: true });
    writeFileSync(join(folder, file), text, { mode });
  }

  /** The message of a failed check, which is one line. */
  function messageOf(run: () => unknown): string {
    try {
      run();
    } catch (error) {
      assert.ok(error instanceof ExpectedError);
      assert.doesNotMatch(error.message, /\n/);
      return error.message;
    }
    return assert.fail("the check passed");
  }

  it("find the project's own CLI, then the one on PATH, never the package that would download one", () => {
    const places = {
      home: folder,
      env: { PATH: ["bin", "node_modules/.bin"].map((name) => join(folder, name)).join(delimiter) },
    };
    write("node_modules/.bin/pulumi", "", 0o755);
    assert.match(
      messageOf(() => findCli("1.2.3", places)),
      /Pulumi CLI is missing\. Fix: `npx pulumi version` downloads version 1\.2\.3/,
    );

    write("bin/pulumi", "", 0o755);
    assert.equal(findCli("1.2.3", places), undefined);

    write(".pulumi/versions/1.2.3/bin/pulumi", "", 0o755);
    assert.equal(findCli("1.2.3", places), join(folder, ".pulumi/versions/1.2.3"));
    const home = join(folder, "elsewhere");
    assert.equal(findCli("1.2.3", { home, env: { ...places.env, PULUMI_HOME: home } }), undefined);
  });

  it("require the stack's file, and suggest the nearest name", () => {
    for (const name of ["dev", "prod"]) write(`Pulumi.${name}.yaml`);

    for (const stack of ["dev", "acme/dev", "acme/websocket/dev"]) {
      assert.doesNotThrow(() => {
        needStackFile({ root: folder }, stack);
      }, stack);
    }
    assert.match(
      messageOf(() => {
        needStackFile({ root: folder }, "prd");
      }),
      /^Pulumi\.prd\.yaml does not exist; the stacks are dev, prod\. Did you mean prod\?/,
    );
    assert.match(
      messageOf(() => {
        needStackFile({ root: folder }, "pr-123");
      }),
      /`npm run deploy -- up pr-123 --from dev --expires 24h`/,
    );
  });

  it("require a passphrase if the stack's secrets need one", () => {
    const missing = /encrypted with a passphrase\. Fix: set PULUMI_CONFIG_PASSPHRASE/;
    write("Pulumi.salted.yaml", "encryptionsalt: v1:abc\n");
    write("Pulumi.cloud.yaml", "config: {}\n");
    write("Pulumi.kms.yaml", "secretsprovider: awskms://alias/pulumi\n");
    const bucket = { PULUMI_BACKEND_URL: "s3://states" };
    const need = (stack: string, env: Readonly<Record<string, string>>) => (): void => {
      needPassphrase({ root: folder, env }, stack);
    };

    assert.match(messageOf(need("salted", {})), missing);
    assert.match(messageOf(need("cloud", bucket)), missing);
    assert.doesNotThrow(need("salted", { PULUMI_CONFIG_PASSPHRASE: "" }));
    assert.doesNotThrow(need("salted", { PULUMI_CONFIG_PASSPHRASE_FILE: "/x" }));
    assert.doesNotThrow(need("cloud", {}));
    assert.doesNotThrow(need("kms", bucket));
  });

  it("require a source of AWS credentials", () => {
    const need = (env: Readonly<Record<string, string>>) => (): void => {
      needCredentials({ root: folder, home: folder, env }, "dev", join(folder, "vendor"));
    };
    assert.match(messageOf(need({})), /No AWS credentials were found\. Fix: set AWS_PROFILE/);
    assert.match(messageOf(need({ AWS_PROFILE: "" })), /No AWS credentials/);
    assert.doesNotThrow(need({ AWS_PROFILE: "team" }));
    assert.doesNotThrow(need({ AWS_WEB_IDENTITY_TOKEN_FILE: "/token" }));

    write("vendor", "Amazon EC2\n");
    assert.doesNotThrow(need({}));
    write("vendor", "QEMU\n");
    write("Pulumi.dev.yaml", "environment:\n  - aws\n");
    assert.doesNotThrow(need({}));
    write("Pulumi.dev.yaml");
    write(".aws/config", "[default]\n");
    assert.doesNotThrow(need({}));
  });

  it("explain the errors of the CLI", () => {
    for (const [message, explanation] of [
      ["error: incorrect passphrase", /is not the passphrase of this stack/],
      ["error: PULUMI_ACCESS_TOKEN must be set for login", /`npx pulumi login`/],
      [
        "error: the stack is currently locked by 1 lock(s)",
        /`npx pulumi cancel --stack dev` unlocks the stack/,
      ],
      ["error: no stack named 'dev' found", /`npm run deploy -- up dev` creates it/],
    ] as const) {
      assert.match(explainCliError(message, "dev") ?? "", explanation);
    }
    assert.equal(explainCliError("something else", "dev"), undefined);
  });
});
