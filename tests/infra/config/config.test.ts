import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { encode } from "../../../app/src/settings/definition.ts";
import type { Problem } from "../../../app/src/settings/problem.ts";
import { readText } from "../../../app/src/settings/reading.ts";
import { configDefinitions } from "../../../infra/config/definitions.ts";
import { ConfigError, stackFile } from "../../../infra/config/configError.ts";
import { evaluateStack } from "../../../infra/evaluation/evaluate.ts";
import { quoteForShell } from "../../../infra/config/shellWords.ts";
import { commandsOf } from "../../support/shell.ts";
import { assertUsable } from "../../support/stacks.ts";
import { assertProblem, lineOf, onlyProblemIn, problemsIn } from "./support.ts";

const ROOT = path.resolve(import.meta.dirname, "../../..");

describe("the configuration", () => {
  it("has legal defaults", () => {
    for (const [name, definition] of Object.entries(configDefinitions)) {
      if (definition.kind === "list") continue;
      assert.deepEqual(readText(definition, encode(definition.default)), { value: definition.default }, name);
    }
  });

  it("stops the tests if a stack file is not usable", async () => {
    const root = mkdtempSync(path.join(tmpdir(), "usable-"));
    try {
      cpSync(path.join(ROOT, "Pulumi.yaml"), path.join(root, "Pulumi.yaml"));
      symlinkSync(path.join(ROOT, "index.ts"), path.join(root, "index.ts"));
      writeFileSync(path.join(root, "Pulumi.a.yaml"), readFileSync(path.join(ROOT, "Pulumi.dev.yaml")));
      await assertUsable(root);
      writeFileSync(
        path.join(root, "Pulumi.b.yaml"),
        "config:\n  aws:region: us-east-1\n  websocket:cpu: 1000\n",
      );
      await assert.rejects(
        assertUsable(root),
        /^ConfigError: .* stack b \(Pulumi\.b\.yaml\) .*\n {2}`websocket:cpu`: got "1000"/,
      );
    } finally {
      rmSync(root, { recursive: true });
    }
  });

  describe("with one wrong value", () => {
    const cases: readonly (readonly [key: string, value: string | undefined, ...parts: string[]])[] = [
      [
        "minTasks",
        "many",
        '`websocket:minTasks`: got "many"; expected a whole number from 1 to 1000 (tasks). Fix: `npx pulumi config set ' +
          "websocket:minTasks 1 --stack dev`",
      ],
      ["cpu", "1000", '"1000"', "one of 256, 512, 1024", "set websocket:cpu 1024 "],
      ["cpu", "8000", "set websocket:cpu 8192 "],
      ["cpu", "50000", "set websocket:cpu 32768 "],
      ["cpu", "two", "set websocket:cpu 1024 "],
      ["retainData", "yes", '"yes"', "true or false", "set websocket:retainData true "],
      ["protect", "OFF", "set websocket:protect false "],
      ["protect", "treu", "set websocket:protect true "],
      ["jwksUrl", "auth.example/keys", "jwksUrl https://auth.example/keys "],
      ["jwksUrl", "https://auth.example.com:99999/", "the http or https URL", "set websocket:jwksUrl --"],
      ["jwksUrl", "https://me:s3cret@auth.example/k", '"https://***@auth.example/k"', "jwksUrl --stack"],
      ["jwksUrl", "//", "config set websocket:jwksUrl --stack"],
      ["jwtIssuer", "two words", "config set websocket:jwtIssuer --stack"],
      [
        "access",
        undefined,
        "got nothing; expected one of token, open",
        "set websocket:access token ",
        "set websocket:jwksUrl --stack dev && ",
        "set websocket:jwtIssuer --stack dev && ",
        "set websocket:jwtAudience --stack dev`, or `npx pulumi config set websocket:access open ",
      ],
      ["access", "", "got nothing"],
      ["access", "opn", '"opn"', "one of token, open", "access token ", "or `npx", "access open "],
      ["logRetentionDays", "36", '"36"', "logRetentionDays 60 "],
      ["originHeaderName", "Cookie", "X-Origin- and up to 31"],
      ["originHeaderName", `X-Origin-${"x".repeat(32)}`, "up to 31"],
      ["allowedOrigins", '["https://a.example/path"]', "without a path"],
      ["allowedOrigins", "[1]", "origins such as", "set --path 'websocket:allowedOrigins[0]' --stack"],
      ["allowedOrigins", "https://a.example", "allowedOrigins[0]' https://a.example "],
      ["edge", "loadbalancer", "one of cloudfront, load-balancer", "set websocket:edge load-balancer "],
      ["valkeyPassword", "x", "an unknown key", "config rm websocket:valkeyPassword "],
      ["port", "80", "an unknown key"],
      ["colour", "red", "an unknown key; expected one of edge, originAccess"],
      ["maxTask", "5", "(did you mean websocket:maxTasks?)", "config rm websocket:maxTask "],
      ["region", "eu-west-1", "did you mean aws:region?", "set aws:region eu-west-1 "],
      ["webscoket:minTasks", "3", "did you mean websocket:minTasks?", "config rm webscoket:minTasks "],
      ["aws:profil", "me", "did you mean aws:profile?", "config rm aws:profil "],
      [
        "aws:allowedAccountIds",
        "abc",
        "a list of account IDs with 12 digits",
        "'aws:allowedAccountIds[0]' --",
      ],
      ["aws:allowedAccountIds", "[1]", "with 12 digits each"],
      ["aws:allowedAccountIds", '"210987654321"', "allowedAccountIds[0]' 210987654321 "],
      ["aws:region", undefined, "got nothing; expected an AWS region", "config set aws:region --stack"],
      ["aws:region", "us-east1", "an AWS region (did you mean us-east-1?)", "set aws:region us-east-1 "],
      ...["cn-north-1", "us-gov-west-1", "eusc-de-east-1"].map((region): [string, string, ...string[]] => [
        "aws:region",
        region,
        `"${region}"; expected a region of the AWS partition aws`,
        "config set aws:region --stack",
      ]),
    ];
    for (const [key, value, ...parts] of cases) {
      it(`reports ${key} ${value ?? "(absent)"}`, () => assertProblem({ [key]: value }, key, parts));
    }
  });

  describe("with rules of the retention", () => {
    const commandFor = async (rules: string): Promise<readonly string[]> =>
      (await problemsIn({ retention: rules })).map(lineOf);

    it("reports each illegal part with a command that changes only this part", async () => {
      const rules = [
        { channels: "a", seconds: "60" },
        { channels: "user.*", seconds: 5, second: 5, bytes: "many" },
        { channels: "a b" },
      ];
      assert.deepEqual(await commandFor(JSON.stringify(rules)), [
        "`websocket:retention[1].second`: got an unknown member; expected a known one (did you mean seconds?). Fix: " +
          "`npx pulumi config rm --path 'websocket:retention[1].second' --stack dev`",
        '`websocket:retention[1].bytes`: got "many"; expected a whole number from 65536 to 1073741824 (bytes). Fix: ' +
          "`npx pulumi config rm --path 'websocket:retention[1].bytes' --stack dev`",
        "`websocket:retention[1].seconds`: got 5; expected a whole number from 10 to 86400 (seconds). Fix: " +
          "`npx pulumi config set --path 'websocket:retention[1].seconds' 10 --stack dev`",
        '`websocket:retention[2].channels`: got "a b"; expected the name of a channel, a prefix of names that ends with *, or ' +
          "/ for the default channel. Fix: `npx pulumi config set --path 'websocket:retention[2].channels' --stack dev`",
      ]);
    });

    it("reports a value that is no list", async () => {
      for (const text of ["user.*", "{}", "[", "1"]) {
        const [line, ...others] = await commandFor(text);
        assert.deepEqual(others, []);
        assert.match(line ?? "", /^`websocket:retention`: got .*; expected a list of at most 32 objects/);
        assert.ok(line?.endsWith("Fix: `npx pulumi config rm websocket:retention --stack dev`"), line);
      }
    });

    it("reports a rule that the store or the largest message contradicts", async () => {
      const rules = [
        { channels: "a", bytes: 65_536 },
        { channels: "b", bytes: 800_000_000 },
      ];
      assert.deepEqual(await commandFor(JSON.stringify(rules)), [
        "`websocket:retention[0].bytes`: got 65536; expected at least 262144, which is 4 times websocket:maxPayloadBytes " +
          "(65536). Fix: `npx pulumi config set --path 'websocket:retention[0].bytes' 262144 --stack dev`",
        "`websocket:retention[1].bytes`: got 800000000; expected at most 749731840, because websocket:backplaneMaxGB allows 715 " +
          "MiB for all channels. Fix: `npx pulumi config set --path 'websocket:retention[1].bytes' 749731840 --stack dev`",
      ]);
      assert.deepEqual(
        await problemsIn({ retention: '[{ "channels": "b", "bytes": 800000000 }]', backplaneMaxGB: "2" }),
        [],
      );
    });

    it("is read from a stack file, also with quoted numbers, and moves from a misspelt key", async () => {
      const rules = '[{"channels":"user.*","messages":"100","seconds":60}]';
      assert.deepEqual(await problemsIn({ retention: rules }), []);
      const { fix } = await onlyProblemIn({ retentoin: rules });
      assert.deepEqual(fix[0], { set: "websocket:retention", to: rules });
      assert.deepEqual((await onlyProblemIn({ retentoin: "x" })).fix[0], { ask: "websocket:retention" });
    });
  });

  describe("with tokens", () => {
    const TOKENS = {
      "websocket:access": "token",
      "websocket:jwksUrl": "https://auth.example/keys",
      "websocket:jwtIssuer": "https://auth.example",
      "websocket:jwtAudience": "me",
    };

    it("is usable", async () => {
      assert.deepEqual(await problemsIn(TOKENS), []);
    });

    it("asks for the values that tokens require", async () => {
      const names = ["websocket:jwksUrl", "websocket:jwtIssuer", "websocket:jwtAudience"];
      const lines = (await problemsIn({ "websocket:access": "token" })).map(lineOf);
      assert.equal(lines.length, names.length);
      for (const [index, name] of names.entries()) {
        const [start, fix] = lines[index]?.split(", because websocket:access is token. ") ?? [];
        assert.match(start ?? "", new RegExp(`^\`${name}\`: got nothing; expected (?:the|an) `));
        assert.equal(fix, `Fix: \`npx pulumi config set ${name} --stack dev\``);
      }
    });

    it("contradicts access open", async () => {
      const problem = await onlyProblemIn({ ...TOKENS, "websocket:access": "open" });
      assert.equal(problem.key, "websocket:access");
      assert.match(problem.expected, /^token, because websocket:jwksUrl, .*websocket:jwtAudience are set$/);
      assert.deepEqual(problem.fix, [{ set: "websocket:access", to: "token" }]);
    });

    it("asks a stack without access only for missing values", async () => {
      const problem = await onlyProblemIn({ ...TOKENS, "websocket:access": undefined });
      assert.equal(
        stackFile("dev").describeFix(problem),
        "`npx pulumi config set websocket:access token --stack dev`, or `npx pulumi config set websocket:access open --stack dev`",
      );
    });

    for (const [url, fixed] of [
      ["http://auth.example/keys?a=1", "https://auth.example/keys?a=1"],
      ["https://auth.example:8443/keys", "https://auth.example/keys"],
    ] as const) {
      it(`rejects ${url}, because tasks can connect to port 443 only`, async () => {
        const problem = await onlyProblemIn({ ...TOKENS, "websocket:jwksUrl": url });
        assert.match(
          problem.expected,
          /https:\/\/ without a port, because tasks can connect to port 443 only/,
        );
        assert.deepEqual(problem.fix, [{ set: "websocket:jwksUrl", to: fixed }]);
      });
    }

    it("has a warning if a protected stack is open", async () => {
      const warningsOf = async (config: Readonly<Record<string, string>>): Promise<readonly string[]> =>
        (await evaluateStack({ stack: "prod", config })).warnings;
      assert.match((await warningsOf({})).join(), /access is open in a stack with protect: every client/);
      assert.deepEqual(await warningsOf(TOKENS), []);
      assert.deepEqual(await warningsOf({ "websocket:protect": "false" }), []);
    });
  });

  it("accepts account IDs as texts and, as the CLI writes them, as numbers", async () => {
    const { resources } = await evaluateStack({
      stack: "dev",
      config: { "aws:allowedAccountIds": '["012345678901", 123456789012]' },
    });
    const provider = resources.find(({ type }) => type === "pulumi:providers:aws");
    // A provider gets every input as text.
    assert.equal(provider?.inputs["allowedAccountIds"], '["012345678901","123456789012"]');
  });

  it("masks user information in a wrong value of any key", async () => {
    for (const name of [...Object.keys(configDefinitions), "jwksUrll", "colour"]) {
      for (const text of ["https://user:s3cret@auth.example:99999/", "user:s3cret@auth example"]) {
        for (const problem of await problemsIn({ [`websocket:${name}`]: text })) {
          assert.doesNotMatch(lineOf(problem), /s3cret/, name);
        }
      }
    }
  });

  it("reports all problems at once, in one message", async () => {
    const problems = await problemsIn({
      "websocket:minTasks": "none",
      "websocket:priceClas": "PriceClass_All",
      "websocket:cpu": "7",
      "aws:region": undefined,
    });
    assert.deepEqual(
      problems.map(({ key }) => key),
      ["websocket:minTasks", "websocket:cpu", "websocket:priceClas", "aws:region"],
    );
    const { message } = new ConfigError(problems, stackFile("dev"));
    const [title, ...lines] = message.split("\n");
    assert.equal(title, "The configuration of stack dev (Pulumi.dev.yaml) is not usable:");
    assert.deepEqual(
      lines,
      problems.map((problem) => `  ${lineOf(problem)}`),
    );
  });

  it("prints every kind of problem in one form", async () => {
    // No key accepts this value as a text, a list, a number, a choice or a boolean.
    const wrong = Object.keys(configDefinitions).map((name) => [`websocket:${name}`, "\u0000 @"]);
    const contradictory = {
      idelTimeoutSeconds: "10",
      idleTimeoutSeconds: "10",
      minTasks: "900",
      access: "token",
    };
    for (const config of [Object.fromEntries(wrong) as Record<string, string>, contradictory]) {
      const lines = (await problemsIn(config)).map(lineOf);
      assert.ok(lines.length >= 4);
      for (const line of lines)
        assert.match(line, /^`[\w:]+`: got \S.*; expected \S.*\. Fix: `npx pulumi config .*`$/);
    }
  });

  it("reports a contradiction beside a wrong value of another key", async () => {
    const keysOf = async (config: Record<string, string>) => (await problemsIn(config)).map(({ key }) => key);
    const [idle, tasks] = ["websocket:idleTimeoutSeconds", "websocket:minTasks"];
    assert.deepEqual(await keysOf({ idleTimeoutSeconds: "10", minTasks: "many" }), [tasks, idle]);
    // The rule compares the value with a wrong one, or may not apply.
    assert.deepEqual(await keysOf({ idleTimeoutSeconds: "10", heartbeatSeconds: "many" }), [
      "websocket:heartbeatSeconds",
    ]);
    assert.deepEqual(await keysOf({ idleTimeoutSeconds: "10", edge: "cloudfrnt" }), ["websocket:edge"]);
  });

  it("moves the value of a misspelt key, or the value that the program accepts instead", async () => {
    for (const [text, value] of [
      ["100", "100"],
      ["10", "60"],
      ["many", "120"],
    ] as const) {
      const { fix } = await onlyProblemIn({ idelTimeoutSeconds: text });
      assert.deepEqual(fix[0], { set: "websocket:idleTimeoutSeconds", to: value });
    }
  });

  it("suggests commands that fix all problems", async () => {
    // Applies each suggested command until there are no problems.
    const config: Record<string, string | undefined> = {
      "websocket:minTasks": "9",
      "websocket:cpu": "512",
      "websocket:memoryMiB": "9000",
      "websocket:drainSeconds": "100",
      "websocket:heartbeatSeconds": "200",
      "websocket:logLevle": "warn",
      "websocket:allowedOrigins": '["https://a.example","b.example","https://c.example"]',
      "aws:allowedAccountIds": '["210987654321","12"]',
    };
    const rounds: number[] = [];
    for (let problems = await problemsIn(config); problems.length > 0; problems = await problemsIn(config)) {
      rounds.push(problems.length);
      assert.ok(rounds.length < 4, "the commands fix the configuration");
      for (const problem of problems) apply(problem, config);
    }
    assert.deepEqual(rounds, [7]);
    assert.equal(config["websocket:allowedOrigins"], '["https://a.example","https://c.example"]');
    assert.equal(config["aws:allowedAccountIds"], '["210987654321"]');
    assert.equal(config["websocket:logLevel"], "warn");
  });

  it("quotes the suggested commands for a shell", async () => {
    const texts = ["a&b", "it's", "$(id)", "~", "*", "a;b|c>d", "`x`", '"', "\\"];
    for (const text of texts) {
      const config: Record<string, string | undefined> = { "websocket:jwtIssue": text };
      const problem = await onlyProblemIn(config);
      apply(problem, config);
      assert.deepEqual(config, { "websocket:jwtIssue": undefined, "websocket:jwtIssuer": text });
    }
    const origins = '["https://a","https://b:8443"]';
    const config: Record<string, string | undefined> = { "websocket:allowedOrigin": origins };
    const problem = await onlyProblemIn(config);
    apply(problem, config);
    assert.deepEqual(config, {
      "websocket:allowedOrigin": undefined,
      "websocket:allowedOrigins": origins,
    });
    assert.equal(quoteForShell("two  words"), "'two  words'");
    assert.equal(quoteForShell("a=b,c"), "a=b,c");
    assert.equal(quoteForShell(""), "''");
  });

  it("reports contradictions of the edge and of the workload at once", async () => {
    const problems = await problemsIn({
      "websocket:edge": "load-balancer",
      "websocket:originAccess": "private",
      "websocket:minTasks": "9",
      "websocket:idleTimeoutSeconds": "10",
    });
    assert.deepEqual(
      problems.map(({ key }) => key),
      ["websocket:originAccess", "websocket:domain", "websocket:minTasks", "websocket:idleTimeoutSeconds"],
    );
  });

  describe("of an API Gateway", () => {
    it("accepts any values for the tasks, because it has none", async () => {
      assert.deepEqual(
        await problemsIn({
          "websocket:edge": "api-gateway",
          "websocket:apiGatewayUrl": "wss://abcdef1234.execute-api.us-east-1.amazonaws.com/prod",
          "websocket:minTasks": "9",
          "websocket:backplane": "memory",
          "websocket:memoryMiB": "1024",
          "websocket:access": undefined,
          "websocket:jwksUrl": "http://auth.example/keys",
          "websocket:idleTimeoutSeconds": "10",
          "websocket:retainedBytes": "100000",
          "websocket:maxChannels": "65000",
        }),
        [],
      );
    });
  });
});

/** Changes the configuration as the suggested commands change the stack's file. */
function apply(problem: Problem, config: Record<string, string | undefined>): void {
  const commands = stackFile("dev")
    .describeFix(problem)
    .replace(/^`(.*)`$/s, "$1");
  for (const [pulumi, group, command, ...words] of commandsOf("npx", commands)) {
    assert.deepEqual([pulumi, group, ...words.slice(-2)], ["pulumi", "config", "--stack", "dev"]);
    const [first = "", ...others] = words.slice(0, -2);
    if (command === "rm") {
      config[first] = undefined;
    } else if (first === "--path") {
      const [path = "", item] = others;
      const [, key = "", at = ""] = /^(.+)\[(\d+)\]$/.exec(path) ?? [];
      const items = JSON.parse(config[key] ?? "[]") as (string | undefined)[];
      items[Number(at)] = item;
      config[key] = JSON.stringify(items);
    } else {
      config[first] = others[0];
    }
  }
}
