import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import {
  explainCliError,
  findCli,
  needCredentials,
  needPassphrase,
  needStackFile,
  PreconditionError,
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

  /** One sentence, so that it can be read at a glance. */
  function sentence(run: () => unknown): string {
    try {
      run();
    } catch (error) {
      assert.ok(error instanceof PreconditionError);
      assert.doesNotMatch(error.message, /\n/);
      return error.message;
    }
    return assert.fail("nothing was missing");
  }

  it("takes the project's own CLI, then one on PATH, never the package that would download one", () => {
    const places = {
      home: folder,
      env: { PATH: ["bin", "node_modules/.bin"].map((name) => join(folder, name)).join(delimiter) },
    };
    write("node_modules/.bin/pulumi", "", 0o755);
    assert.match(
      sentence(() => findCli("1.2.3", places)),
      /There is no Pulumi CLI here: npx pulumi version downloads 1\.2\.3/,
    );

    write("bin/pulumi", "", 0o755);
    assert.equal(findCli("1.2.3", places), undefined);

    write(".pulumi/versions/1.2.3/bin/pulumi", "", 0o755);
    assert.equal(findCli("1.2.3", places), join(folder, ".pulumi/versions/1.2.3"));
    const home = join(folder, "elsewhere");
    assert.equal(findCli("1.2.3", { home, env: { ...places.env, PULUMI_HOME: home } }), undefined);
  });

  it("needs the stack's file, and names the nearest", () => {
    for (const name of ["dev", "prod"]) write(`Pulumi.${name}.yaml`);

    for (const stack of ["dev", "acme/dev", "acme/websocket/dev"]) {
      assert.doesNotThrow(() => {
        needStackFile({ root: folder }, stack);
      }, stack);
    }
    assert.match(
      sentence(() => {
        needStackFile({ root: folder }, "prd");
      }),
      /no Pulumi\.prd\.yaml; there are stacks dev, prod\. Did you mean prod\?/,
    );
    assert.match(
      sentence(() => {
        needStackFile({ root: folder }, "pr-123");
      }),
      /With --from dev --expires 24h, up makes an ephemeral one/,
    );
  });

  it("needs a passphrase where the stack's secrets have one", () => {
    const missing = /encrypted with a passphrase: set PULUMI_CONFIG_PASSPHRASE/;
    write("Pulumi.salted.yaml", "encryptionsalt: v1:abc\n");
    write("Pulumi.cloud.yaml", "config: {}\n");
    write("Pulumi.kms.yaml", "secretsprovider: awskms://alias/pulumi\n");
    const bucket = { PULUMI_BACKEND_URL: "s3://states" };
    const need = (stack: string, env: Readonly<Record<string, string>>) => (): void => {
      needPassphrase({ root: folder, env }, stack);
    };

    assert.match(sentence(need("salted", {})), missing);
    assert.match(sentence(need("cloud", bucket)), missing);
    assert.doesNotThrow(need("salted", { PULUMI_CONFIG_PASSPHRASE: "" }));
    assert.doesNotThrow(need("salted", { PULUMI_CONFIG_PASSPHRASE_FILE: "/x" }));
    assert.doesNotThrow(need("cloud", {}));
    assert.doesNotThrow(need("kms", bucket));
  });

  it("needs anything that could be AWS credentials", () => {
    const need = (env: Readonly<Record<string, string>>) => (): void => {
      needCredentials({ root: folder, home: folder, env }, "dev", join(folder, "vendor"));
    };
    assert.match(sentence(need({})), /There are no AWS credentials: set AWS_PROFILE/);
    assert.match(sentence(need({ AWS_PROFILE: "" })), /There are no AWS credentials/);
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

  it("has a sentence for what the CLI says", () => {
    for (const [said, told] of [
      ["error: incorrect passphrase", /is not the passphrase of this stack/],
      ["error: PULUMI_ACCESS_TOKEN must be set for login", /npx pulumi login/],
      [
        "error: the stack is currently locked by 1 lock(s)",
        /npx pulumi cancel --stack dev unlocks the stack/,
      ],
      ["error: no stack named 'dev' found", /npm run deploy -- up dev creates it/],
    ] as const) {
      assert.match(explainCliError(said, "dev") ?? "", told);
    }
    assert.equal(explainCliError("something else", "dev"), undefined);
  });
});
