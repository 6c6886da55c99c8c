import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { likelyFix } from "../../deploy/engine/knownErrors.ts";
import { parseOptions } from "../../deploy/options.ts";
import { runCommand } from "../../deploy/run.ts";
import { cliRoot, needCli } from "../engine/support/cli.ts";
import { startServer } from "../app/support/server.ts";
import { tearDown } from "../app/support/teardown.ts";
import { atSuiteEnd } from "../support/atSuiteEnd.ts";
import { commandsOf } from "../support/shell.ts";
import { startForbidding } from "./forbidding.ts";
import { createDeployProject, type DeployProject } from "./support.ts";

/** A test starts the engine and up to four providers several times. */
const COMMANDS_TIMEOUT_MS = 240_000;
const DAY_MS = 86_400_000;

/** Only one test runs the policy pack, which takes longer to start than most commands. */
const FAST = ["--yes", "--no-smoke", "--no-policy"] as const;

const CACHE = "aws:elasticache/serverlessCache:ServerlessCache";
const DISTRIBUTION = "aws:cloudfront/distribution:Distribution";
const ECR_TOKEN = "aws:ecr/getAuthorizationToken:getAuthorizationToken";
const IMAGE = "docker-build:index:Image";
const LISTENER_RULE = "aws:lb/listenerRule:ListenerRule";
const SERVICE = "aws:ecs/service:Service";

describe("npm run deploy", function () {
  this.timeout(COMMANDS_TIMEOUT_MS);

  let target: DeployProject;

  before(function () {
    needCli(this);
    target = createDeployProject();
    atSuiteEnd(this, () => {
      target.project.close();
    });
  });

  beforeEach(() => {
    target.project.cloud.forget();
  });

  afterEach(tearDown);

  function changes(): readonly string[] {
    return target.project.cloud.changes().map(({ method, type }) => `${method} ${type}`);
  }

  function read(file: string): string {
    return readFileSync(join(target.project.folder, file), "utf8");
  }

  function write(file: string, text: string): void {
    writeFileSync(join(target.project.folder, file), text);
  }

  function pulumi(command: string): Promise<string> {
    return target.project.pulumi(...command.split(" "));
  }

  it("does not start without a stack, a stack file, a passphrase or credentials", async () => {
    const { PULUMI_CONFIG_PASSPHRASE: _passphrase, ...noPassphrase } = target.environment;
    const { AWS_ACCESS_KEY_ID: _key, ...noCredentials } = target.environment;
    for (const [run, message] of [
      [target.deploy("up", "devv"), /^Pulumi\.devv\.yaml does not exist; .* Did you mean dev\?\n$/],
      [
        target.deployWith(noPassphrase, "up", "dev"),
        /^The stack's secrets are encrypted with a passphrase.*\n$/,
      ],
      [target.deployWith(noCredentials, "up", "dev"), /^No AWS credentials were found.*\n$/],
      [target.deploy("status", "dev"), /^The stack dev does not exist\. .*\n$/],
    ] as const) {
      const { code, stdout, stderr } = await run;
      assert.equal(code, 2);
      assert.equal(stdout, "");
      assert.match(stderr, message);
    }
  });

  it("previews with the CLI's output and as a comment, and removes the stack that it created", async () => {
    const file = read("Pulumi.dev.yaml");
    const { code, stdout } = await target.deploy(
      "preview",
      "organization/websocket/dev",
      "--expect-no-changes",
      "--no-policy",
      "--markdown",
      "preview.md",
    );

    assert.equal(code, 1, "there are changes");
    assert.match(stdout, /^ *\+ aws:ecs\/service:Service: \(create\)/m);
    assert.match(stdout, /has changes, and --expect-no-changes is set/);
    assert.match(
      read("preview.md"),
      /^<!-- deploy preview organization\/websocket\/dev -->\n### Preview of `.*`: \d+ to create\n/,
    );
    assert.match(read("preview.md"), /^ *\+ pulumi:pulumi:Stack: \(create\)/m);
    assert.deepEqual(changes(), []);
    assert.equal(read("Pulumi.dev.yaml"), file);
    assert.deepEqual(JSON.parse(await pulumi("stack ls --json")), []);
  });

  it("prints no secret, also under a wrong key", async () => {
    await pulumi("stack init dev");
    const before = read("Pulumi.dev.yaml");
    for (const key of ["jwksUrll", "jwksUrl", "priceClass"]) {
      const name = `websocket:${key}`;
      await target.project.pulumi("config", "set", "--secret", name, "hunter2-secret", "--stack", "dev");
    }
    const { code, stdout, stderr } = await target.deploy("preview", "dev", "--markdown", "preview.md");
    // `rotate-secret` also fails, and restores the stack file.
    const broken = read("Pulumi.dev.yaml");
    const rotation = await target.deploy("rotate-secret", "dev", ...FAST);
    assert.equal(read("Pulumi.dev.yaml"), broken);
    assert.doesNotMatch(rotation.stdout, /commit it/);
    write("Pulumi.dev.yaml", before);

    assert.equal(code, 1);
    for (const text of [stdout, stderr, read("preview.md")]) assert.doesNotMatch(text, /hunter2/);
    assert.match(stderr, /websocket:priceClass.*"\[secret\]"/);
    assert.match(stderr, /config set --secret websocket:priceClass --stack dev`$/m);
    assert.match(
      stderr,
      /config set --secret websocket:jwksUrl --stack dev && .*config rm websocket:jwksUrll --stack dev`$/m,
    );
    assert.doesNotMatch(stderr, /config set .*\[secret\]/);
  });

  it("prints commands that fix the stack's file in a shell", async () => {
    const before = read("Pulumi.dev.yaml");
    const origins = ["https://a.example", "https://b.example:8443"];
    target.project.configure("dev", {
      jwtIssue: "it's-a&b",
      allowedOrigin: JSON.stringify(origins),
      logRetentionDays: "36",
    });
    const { code, stderr } = await target.deploy("preview", "dev", "--no-policy");
    assert.equal(code, 1);
    for (const [, fix = ""] of stderr.matchAll(/Fix: `(.*)`$/gm)) {
      for (const [, ...words] of commandsOf("npx", fix)) await target.project.pulumi(...words);
    }
    const { config } = parse(read("Pulumi.dev.yaml")) as { config: Record<string, unknown> };
    write("Pulumi.dev.yaml", before);

    assert.deepEqual(config["websocket:allowedOrigins"], origins);
    assert.equal(config["websocket:jwtIssuer"], "it's-a&b");
    assert.equal(String(config["websocket:logRetentionDays"]), "60");
    assert.ok(!("websocket:jwtIssue" in config) && !("websocket:allowedOrigin" in config));
  });

  it("reports the failed resource, AWS's message and the likely fix", async () => {
    target.project.cloud.setFailure(
      SERVICE,
      "operation error ECS: CreateService, https response error StatusCode: 400, RequestID: 0-1-a, " +
        "InvalidParameterException: Unable to assume the service linked role.",
    );
    const { code, stdout, stderr } = await target.deploy("up", "dev", ...FAST);

    assert.equal(code, 1);
    assert.match(stdout, /aws:ecs:Service websocket-service .*failed/);
    assert.equal(
      stderr,
      [
        "",
        "up dev failed",
        "",
        "websocket-service (aws:ecs:Service) could not be created:",
        "  ECS CreateService InvalidParameterException: Unable to assume the service linked role.",
        `  likely fix: ${likelyFix("ECS CreateService: service linked role") ?? ""}`,
        "",
      ].join("\n"),
    );
  });

  it("continues from there, and prints the CLI's output, the outputs and the next steps", async () => {
    const { code, stdout, stderr } = await target.deploy("up", "dev", ...FAST);

    assert.equal(code, 0, stderr);
    assert.deepEqual(
      changes().filter((change) => change.includes(SERVICE)),
      [`create ${SERVICE}`],
    );
    assert.match(stdout, /aws:ecs:Service websocket-service created \(/);
    assert.match(stdout, /^up dev took .*: 8 created, \d+ unchanged$/m);
    assert.match(stdout, /^ {2}websocketUrl +wss:\/\/\w+\.cloudfront\.net\/wss$/m);
    assert.match(stdout, /npx wscat -c wss:\/\/\w+\.cloudfront\.net\/wss/);
  });

  it("prints the outputs and the status", async () => {
    const [outputs, status] = await Promise.all([
      target.deploy("outputs", "dev", "--json"),
      target.deploy("status", "dev"),
    ]);

    const { websocketUrl } = JSON.parse(outputs.stdout) as { websocketUrl: string };
    assert.match(websocketUrl, /^wss:/);
    assert.match(
      status.stdout,
      /^stack +dev of websocket\nlast update +update succeeded, 20\d\d-.*\nresources +\d+ resources\npending +nothing\noutputs\n/,
    );
    assert.ok(status.stdout.includes(websocketUrl));
  });

  it("runs the policy pack, which stops a violation", async () => {
    const file = "infra/components/network/loadBalancer.ts";
    const before = read(file);
    const broken = before.replace("accessLogs: { enabled: true,", "accessLogs: { enabled: false,");
    assert.notEqual(broken, before);
    write(file, broken);
    const up = await target.deploy("up", "dev", "--yes", "--no-smoke");
    const preview = await target.deploy("preview", "dev");
    write(file, before);

    for (const { code, stderr } of [up, preview]) {
      assert.equal(code, 1);
      assert.match(stderr, /websocket \(aws:lb:LoadBalancer\)[^]*ELB2: Load balancers keep access logs\./);
    }
    assert.deepEqual(changes(), []);
  });

  it("keeps the selected stack selected", async () => {
    await pulumi("stack init other");
    await target.deploy("outputs", "dev");
    assert.equal((await pulumi("stack --show-name")).trim(), "other");
    await target.deploy("preview", "prod", "--no-policy");
    assert.equal((await pulumi("stack --show-name")).trim(), "other");
    await pulumi("stack rm other --yes");
  });

  it("runs the smoke test", async () => {
    const server = await startServer();
    const forbidding = await startForbidding();
    await replaceOutputs({ websocketUrl: server.url, loadBalancerDnsName: forbidding });
    const { code, stdout } = await target.deploy("smoke", "dev", "--smoke-timeout", "5");

    assert.equal(code, 0, stdout);
    assert.match(stdout, /✓ a message travelled through ws:.* and back in \d+\.\d ms/);
    assert.match(stdout, /✓ the load balancer refuses a direct request: 403/);
  });

  it("rotates the secret: the rule accepts the new one before the edge sends it", async () => {
    const { code, stdout, stderr } = await target.deploy("rotate-secret", "dev", ...FAST);

    assert.equal(code, 0, stderr);
    assert.match(read("Pulumi.dev.yaml"), /websocket:originSecretGeneration: "2"/);
    assert.match(stdout, /originSecretGeneration to 2: commit it/);
    const order = changes();
    const rule = order.findIndex((change) => change.endsWith(LISTENER_RULE));
    assert.ok(rule >= 0 && rule < order.indexOf(`update ${DISTRIBUTION}`), order.join("\n"));
    const [, secret] = /"values":\["(\w{64})"/.exec(JSON.stringify(target.project.cloud.changes())) ?? [];
    assert.ok(secret !== undefined && !(stdout + stderr).includes(secret), "the secret is printed");
  });

  it("rotates nothing if the edge has no secret", async () => {
    const file = read("Pulumi.dev.yaml");
    for (const edge of ["load-balancer", "api-gateway"]) {
      target.project.configure("dev", { edge });
      const configured = read("Pulumi.dev.yaml");
      const { code, stdout, stderr } = await target.deploy("rotate-secret", "dev", ...FAST);

      assert.equal(code, 2);
      assert.equal(stdout, "");
      assert.equal(
        stderr,
        `dev has no origin secret to rotate: websocket:edge is ${edge}, and only cloudfront has one.\n`,
      );
      assert.equal(read("Pulumi.dev.yaml"), configured);
    }
    write("Pulumi.dev.yaml", file);
    assert.deepEqual(changes(), []);
  });

  it("finds changes in AWS with new ECR credentials, and updates the state", async () => {
    const { cloud } = target.project;
    const hasNewToken = (): boolean => {
      const calls = cloud.calls().map(({ method, type }) => `${method} ${type}`);
      const [token, image] = [calls.indexOf(`invoke ${ECR_TOKEN}`), calls.indexOf(`read ${IMAGE}`)];
      return token >= 0 && token < image;
    };
    cloud.setDrift(DISTRIBUTION, { comment: "by hand" });
    const preview = await target.deploy(
      ...["preview", "dev", "--no-policy", "--refresh", "--expect-no-changes", "--markdown", "drift.md"],
    );
    assert.equal(preview.code, 1);
    assert.match(read("drift.md"), /~ comment *: "by hand" => "/);
    assert.ok(hasNewToken());

    cloud.forget();
    const refresh = await target.deploy("refresh", "dev");
    assert.equal(refresh.code, 0);
    assert.match(refresh.stdout, /aws:cloudfront:Distribution websocket-edge .*comment/);
    assert.match(refresh.stdout, /The state of dev now matches AWS/);
    assert.ok(hasNewToken());
    assert.deepEqual(changes(), []);
  });

  it("asks before data is lost, and fails without a terminal", async () => {
    target.project.configure("dev", { backplane: "memory", maxTasks: "1" });
    const { code, stdout, stderr } = await target.deploy("up", "dev", "--no-policy");

    assert.equal(code, 2);
    assert.match(
      stdout,
      /backplane \(aws:elasticache:ServerlessCache\) would be deleted: the retained messages would be lost/,
    );
    assert.equal(stderr, "up dev asks for confirmation, and there is no terminal. Fix: add --yes.\n");
    assert.deepEqual(changes(), []);
  });

  it("destroys only with a confirmation", async () => {
    const refused = await target.deploy("destroy", "dev");
    assert.equal(refused.code, 2);
    assert.equal(
      refused.stderr,
      "destroy dev asks for confirmation, and there is no terminal. Fix: add --yes.\n",
    );

    const { code, stdout } = await target.deploy("destroy", "dev", "--yes");
    assert.equal(code, 0);
    assert.match(stdout, /Its configuration and history remain/);
    assert.ok(changes().includes(`delete ${CACHE}`));
  });

  it("deletes nothing of a protected stack", async () => {
    const up = await target.deploy("up", "prod", ...FAST);
    assert.equal(up.code, 0, up.stderr);
    target.project.cloud.forget();
    const { code, stderr } = await target.deploy("destroy", "prod", "--yes");

    assert.equal(code, 1);
    assert.match(stderr, /likely fix: The resource is protected/);
    assert.deepEqual(changes(), []);
  });

  it("changes nothing if a protected resource would be replaced, also with --yes", async () => {
    const file = read("Pulumi.prod.yaml");
    await pulumi("config set websocket:originAccess public --stack prod");
    const { code, stderr } = await target.deploy("up", "prod", ...FAST);
    write("Pulumi.prod.yaml", file);

    assert.equal(code, 1);
    assert.match(stderr, /likely fix: The resource is protected/);
    assert.deepEqual(changes(), []);
  });

  describe("with an ephemeral stack", () => {
    const CREATE = ["up", "pr-1", "--from", "dev", "--expires", "24h", ...FAST] as const;

    before(async () => {
      await target.project.pulumi(
        "config",
        "set",
        "--secret",
        "vendor:token",
        "open sesame",
        "--stack",
        "dev",
      );
    });

    it("cancels on Ctrl-C, and reports the state", async () => {
      target.project.cloud.setStuck(SERVICE);
      const { code, stdout, stderr } = await target.interruptAt(
        "aws:ecs:Service websocket-service creating",
        ...CREATE,
      );

      assert.equal(code, 130, stderr);
      assert.match(stdout, /Cancelling: the engine finishes the changes that it has started/);
      assert.match(stdout, /aws:ecs:Service websocket-service created/);
      assert.match(
        stderr,
        /^\nup pr-1 was cancelled\. The stack has \d+ resources, and no operation is pending\. npm run deploy -- up pr-1 continues/,
      );
      assert.ok(!changes().includes(`create ${DISTRIBUTION}`));
    });

    it("has the other stack's configuration, encrypted with its own key, and an expiry", async () => {
      const yaml = read("Pulumi.pr-1.yaml");
      assert.match(yaml, /deploy:expires: /);
      assert.match(yaml, /websocket:backplane: memory/);
      const cipher = (text: string): string | undefined => /vendor:token:\s+secure: (\S+)/.exec(text)?.[1];
      assert.ok(cipher(yaml));
      assert.notEqual(cipher(yaml), cipher(read("Pulumi.dev.yaml")));
      assert.equal((await pulumi("config get vendor:token --stack pr-1")).trim(), "open sesame");
    });

    it("is swept after its expiry, also from another machine", async () => {
      rmSync(join(target.project.folder, "Pulumi.pr-1.yaml"));

      const early = await sweep(new Date());
      assert.match(early.printed, /^pr-1 expires 20.*\nNo stack has expired\.\n$/);
      assert.deepEqual(changes(), []);

      const { code, printed } = await sweep(new Date(Date.now() + 2 * DAY_MS));
      assert.equal(code, 0, printed);
      assert.match(printed, /^pr-1 expired 20/);
      assert.ok(changes().includes(`delete ${SERVICE}`));
      assert.doesNotMatch(await pulumi("stack ls"), /pr-1/);
      assert.ok(!existsSync(join(target.project.folder, "Pulumi.pr-1.yaml")));
    });

    it("is swept after operations without its file, and not if it has a later expiry", async function () {
      // Three times as many commands as any other test.
      this.timeout(3 * COMMANDS_TIMEOUT_MS);
      const now = new Date();
      const copied = await target.deploy("up", "pr-2", "--from", "prod", "--expires", "1h", ...FAST);
      assert.equal(copied.code, 0, copied.stderr);
      const file = join(target.project.folder, "Pulumi.pr-2.yaml");
      const kept = readFileSync(file, "utf8");
      assert.match(kept, /protect: "false"/);
      // Another stack has an invalid expiry.
      await pulumi("stack init invalid");
      await pulumi("config set deploy:expires tomorrow --stack invalid");
      await pulumi("config set aws:region us-east-1 --stack invalid");
      await pulumi("refresh --yes --skip-preview --stack invalid");

      // The expiry changes while the question is open.
      const extended = await sweep(new Date(now.getTime() + DAY_MS), async () => {
        await pulumi("config set deploy:expires 2999-01-01T00:00:00Z --stack pr-2");
        await pulumi("refresh --yes --skip-preview --stack pr-2");
        return "destroy";
      });
      assert.match(
        extended.printed,
        /^invalid still exists: `deploy:expires`: got "tomorrow"; expected a time/m,
      );
      assert.match(extended.printed, /^pr-2 has a later expiry now, and is not destroyed\.$/m);
      assert.equal(extended.code, 1);
      await pulumi("stack rm invalid --yes");

      writeFileSync(file, kept);
      await pulumi("refresh --yes --skip-preview --stack pr-2");
      rmSync(file);
      await pulumi("refresh --yes --skip-preview --stack pr-2");
      rmSync(file, { force: true });
      const { code, printed } = await sweep(new Date(now.getTime() + DAY_MS));
      assert.equal(code, 0, printed);
      assert.doesNotMatch(await pulumi("stack ls"), /pr-2/);
    });

    /** Runs in this process, where the clock can be set. */
    async function sweep(
      now: Date,
      ask?: () => Promise<string>,
    ): Promise<{ readonly code: number; readonly printed: string }> {
      let printed = "";
      const write = (text: string): void => {
        printed += text;
      };
      const options = parseOptions(["sweep", ...(ask === undefined ? ["--yes"] : [])]);
      assert.ok(options);
      const code = await runCommand({
        options,
        root: target.project.folder,
        cliRoot: cliRoot(),
        env: target.environment,
        interrupts: { signals: new EventEmitter(), keyboard: undefined, nowMs: () => performance.now() },
        now: () => now,
        write,
        print: (line) => {
          write(`${line}\n`);
        },
        color: "never",
        ask,
        exit: (exitCode) => assert.fail(`exit ${exitCode}`),
      });
      return { code, printed };
    }
  });

  /** Replaces outputs in the state, so that the smoke test connects to a local server. */
  async function replaceOutputs(outputs: Readonly<Record<string, string>>): Promise<void> {
    const state = join(target.project.folder, "state.json");
    await target.project.pulumi("stack", "export", "--stack", "dev", "--file", state);
    const exported = JSON.parse(readFileSync(state, "utf8")) as {
      deployment: { resources: { type: string; outputs?: Record<string, unknown> }[] };
    };
    const stack = exported.deployment.resources.find(({ type }) => type === "pulumi:pulumi:Stack");
    assert.ok(stack);
    Object.assign((stack.outputs ??= {}), outputs);
    writeFileSync(state, JSON.stringify(exported));
    await target.project.pulumi("stack", "import", "--stack", "dev", "--file", state);
  }
});
