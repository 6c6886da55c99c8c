import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { allowedValues, decode, encode } from "../../app/src/settings/definition.ts";
import { formatProblems } from "../../app/src/settings/problem.ts";
import type { Problem } from "../../app/src/settings/problem.ts";
import { configDefinitions } from "../../infra/config/definitions.ts";
import { ConfigError, stackFile } from "../../infra/config/configError.ts";
import { evaluateStack, findConfigProblems } from "../../infra/evaluation/evaluate.ts";
import { quoteForShell } from "../../infra/config/shellWords.ts";
import { commandsOf } from "../support/shell.ts";
import { assertUsable } from "../support/stacks.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");

describe("the configuration", () => {
  it("has legal defaults", () => {
    for (const [name, definition] of Object.entries(configDefinitions)) {
      if (definition.kind === "list") continue;
      assert.deepEqual(decode(definition, encode(definition.default)), definition.default, name);
    }
  });

  it("ends a run of the tests before the first one if a stack file is not usable", async () => {
    const root = mkdtempSync(path.join(tmpdir(), "usable-"));
    try {
      cpSync(path.join(ROOT, "Pulumi.yaml"), path.join(root, "Pulumi.yaml"));
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
        "websocket:minTasks",
        "many",
        '`websocket:minTasks`: got "many"; expected a whole number from 1 to 1000 (tasks). Fix: `npx pulumi config set ' +
          "websocket:minTasks 1 --stack dev`",
      ],
      ["websocket:minTasks", "0", '"0"', "from 1 to 1000"],
      ["websocket:minTasks", "1.5", '"1.5"', "whole number"],
      [
        "websocket:minTasks",
        "6",
        "got 6; expected at most websocket:maxTasks (5)",
        "set websocket:maxTasks 6 ",
      ],
      ["websocket:cpu", "1000", '"1000"', "one of 256, 512, 1024", "set websocket:cpu 1024 "],
      ["websocket:cpu", "8000", '"8000"', "set websocket:cpu 8192 "],
      ["websocket:cpu", "20000", '"20000"', "set websocket:cpu 32768 "],
      ["websocket:cpu", "two", '"two"', "set websocket:cpu 1024 "],
      ["websocket:memoryMiB", "1024", "one of 2048, 3072", "for websocket:cpu 1024", "memoryMiB 2048 "],
      ["websocket:memoryMiB", "2500", "one of 2048, 3072", "memoryMiB 2048 "],
      ["websocket:memoryMiB", "99999", "one of 2048, 3072", "memoryMiB 8192 "],
      ["websocket:retainData", "yes", '"yes"', "true or false", "set websocket:retainData true "],
      ["websocket:protect", "OFF", "true or false", "set websocket:protect false "],
      ["websocket:protect", "treu", "true or false", "set websocket:protect true "],
      ["websocket:jwksUrl", "auth.example/keys", "jwksUrl https://auth.example/keys "],
      [
        "websocket:jwksUrl",
        "https://auth.example:99999/",
        "the http or https URL",
        "set websocket:jwksUrl --",
      ],
      [
        "websocket:jwksUrl",
        "https://me:s3cret@auth.example/k",
        '"https://***@auth.example/k"',
        "jwksUrl --stack",
      ],
      ["websocket:jwksUrl", "//", "config set websocket:jwksUrl --stack"],
      ["websocket:jwtIssuer", "two words", "config set websocket:jwtIssuer --stack"],
      [
        "websocket:access",
        undefined,
        "got nothing; expected one of token, open",
        "set websocket:access token ",
        "set websocket:jwksUrl --stack dev && ",
        "set websocket:jwtIssuer --stack dev && ",
        "set websocket:jwtAudience --stack dev`, or `npx pulumi config set websocket:access open ",
      ],
      ["websocket:access", "", "got nothing"],
      ["websocket:access", "opn", '"opn"', "one of token, open", "access token ", "or `npx", "access open "],
      ["websocket:priceClass", "PriceClass_1", "PriceClass_100, PriceClass_200, PriceClass_All"],
      ["websocket:logRetentionDays", "8", '"8"', "one of 1, 3, 5, 7, 14", "logRetentionDays 14 "],
      ["websocket:logRetentionDays", "36", '"36"', "logRetentionDays 60 "],
      ["websocket:originHeaderName", "Cookie", "X-Origin- and up to 31"],
      ["websocket:originHeaderName", "X-Origin-My Secret", "letters, digits and hyphens"],
      ["websocket:originHeaderName", `X-Origin-${"x".repeat(32)}`, "up to 31"],
      ["websocket:originSecretGeneration", "0", "whole number from 1 to 1000000 (generations)"],
      ["websocket:allowedOrigins", '["https://a.example/path"]', "without a path"],
      [
        "websocket:allowedOrigins",
        "[1]",
        "origins such as",
        "set --path 'websocket:allowedOrigins[0]' --stack",
      ],
      [
        "websocket:allowedOrigins",
        "https://a.example",
        "origins such as",
        "allowedOrigins[0]' https://a.example ",
      ],
      [
        "websocket:backplane",
        "memory",
        "got memory, which tasks do not share, with websocket:maxTasks 5; expected valkey, or websocket:maxTasks 1",
        "set websocket:backplane valkey ",
      ],
      ["websocket:backplane", "redis", '"redis"', "one of memory, valkey", "set websocket:backplane valkey "],
      [
        "websocket:edge",
        "loadbalancer",
        "one of cloudfront, load-balancer",
        "set websocket:edge load-balancer ",
      ],
      ["websocket:backplaneMaxEcpus", "999", "from 1000 to 30000"],
      ["websocket:valkeyPassword", "x", "an unknown key", "config rm websocket:valkeyPassword "],
      ["websocket:region", "eu-west-1", "did you mean aws:region?", "set aws:region eu-west-1 "],
      [
        "aws:allowedAccountIds",
        "abc",
        "a list of account IDs with 12 digits",
        "set --path 'aws:allowedAccountIds[0]' --",
      ],
      ["aws:allowedAccountIds", "[1]", "with 12 digits each"],
      ["aws:allowedAccountIds", '"210987654321"', "a list", "allowedAccountIds[0]' 210987654321 "],
      ["aws:profil", "me", "did you mean aws:profile?", "config rm aws:profil "],
      ["aws:region", undefined, "got nothing; expected an AWS region", "config set aws:region --stack"],
      ["aws:region", "us-east1", "an AWS region (did you mean us-east-1?)", "set aws:region us-east-1 "],
      ...["cn-north-1", "us-gov-west-1", "eusc-de-east-1"].map((region): [string, string, ...string[]] => [
        "aws:region",
        region,
        `"${region}"; expected a region of the AWS partition aws`,
        "config set aws:region --stack",
      ]),
      ["webscoket:minTasks", "3", "did you mean websocket:minTasks?", "config rm webscoket:minTasks "],
      ["websocket:logLevel", "loud", "one of trace, debug, info"],
      ["websocket:heartbeatSeconds", "541", "from 1 to 540 (seconds)"],
      [
        "websocket:retainedBytes",
        "100000",
        "4 times websocket:maxPayloadBytes",
        "websocket:retainedBytes 262144 ",
      ],
      [
        "websocket:maxChannels",
        "1000",
        "at most 336: with websocket:retainedBytes 1048576",
        "up to 4.6 MiB",
        "75 % of websocket:memoryMiB 2048",
        "set websocket:maxChannels 336 ",
      ],
      [
        "websocket:idleTimeoutSeconds",
        "30",
        "more than websocket:heartbeatSeconds (30)",
        "idleTimeoutSeconds 60 ",
      ],
      [
        "websocket:stopTimeoutSeconds",
        "20",
        "more than 4 above websocket:drainSeconds (20)",
        "stopTimeoutSeconds 25 ",
      ],
      ["websocket:maxTask", "5", "(did you mean websocket:maxTasks?)", "config rm websocket:maxTask "],
      ["websocket:colour", "red", "an unknown key; expected one of edge, originAccess"],
      ["websocket:port", "80", "an unknown key"],
    ];
    for (const [key, value, ...parts] of cases) {
      it(`reports ${key} ${value ?? "(absent)"}`, async () => {
        const [problem, ...others] = await problemsIn({ [key]: value });
        assert.ok(problem);
        assert.deepEqual(others, []);
        assert.equal(problem.key, key);
        const line = lineOf(problem);
        for (const part of parts) assert.ok(line.includes(part), `${line} includes ${part}`);
        assert.ok(line.endsWith("--stack dev`"));
      });
    }
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

    it("asks for what tokens require, and invents no value", async () => {
      const names = ["websocket:jwksUrl", "websocket:jwtIssuer", "websocket:jwtAudience"];
      const problems = await problemsIn({ "websocket:access": "token" });
      assert.deepEqual(
        problems.map(lineOf),
        names.map(
          (name) =>
            `\`${name}\`: got nothing; expected a value, which websocket:access token requires. ` +
            `Fix: \`npx pulumi config set ${name} --stack dev\``,
        ),
      );
    });

    it("contradicts a stack that is open", async () => {
      const [problem, ...others] = await problemsIn({ ...TOKENS, "websocket:access": "open" });
      assert.deepEqual(others, []);
      assert.equal(problem?.key, "websocket:access");
      assert.match(problem.expected, /^token, because websocket:jwksUrl, .*websocket:jwtAudience are set$/);
      assert.deepEqual(problem.fix, [{ set: "websocket:access", to: "token" }]);
    });

    it("asks a stack that does not choose only for what is missing", async () => {
      const [problem, ...others] = await problemsIn({ ...TOKENS, "websocket:access": undefined });
      assert.ok(problem);
      assert.deepEqual(others, []);
      assert.equal(
        stackFile("dev").describeFix(problem),
        "`npx pulumi config set websocket:access token --stack dev`, or `npx pulumi config set websocket:access open --stack dev`",
      );
    });

    for (const [url, mended] of [
      ["http://auth.example/keys?a=1", "https://auth.example/keys?a=1"],
      ["https://auth.example:8443/keys", "https://auth.example/keys"],
    ] as const) {
      it(`fetches the keys from port 443 only: not from ${url}`, async () => {
        const [problem, ...others] = await problemsIn({ ...TOKENS, "websocket:jwksUrl": url });
        assert.ok(problem);
        assert.deepEqual(others, []);
        assert.match(
          problem.expected,
          /https:\/\/ without a port, because tasks can connect to port 443 only/,
        );
        assert.deepEqual(problem.fix, [{ set: "websocket:jwksUrl", to: mended }]);
      });
    }

    it("warns in every preview of a protected stack that is open", async () => {
      const warningsOf = async (config: Readonly<Record<string, string>>): Promise<readonly string[]> =>
        (await evaluateStack({ stack: "prod", config })).warnings;
      assert.match(
        (await warningsOf({})).join(),
        /websocket:access is open in a stack with websocket:protect: every client/,
      );
      assert.deepEqual(await warningsOf(TOKENS), []);
      assert.deepEqual(await warningsOf({ "websocket:protect": "false" }), []);
    });
  });

  it("takes account ids as texts and, as the CLI writes them, as numbers", async () => {
    const { resources } = await evaluateStack({
      stack: "dev",
      config: { "aws:allowedAccountIds": '["012345678901", 123456789012]' },
    });
    const provider = resources.find(({ type }) => type === "pulumi:providers:aws");
    // A provider is told everything as text.
    assert.equal(provider?.inputs["allowedAccountIds"], '["012345678901","123456789012"]');
  });

  it("masks user information in what it says about a wrong value, whatever the key", async () => {
    for (const name of [...Object.keys(configDefinitions), "jwksUrll", "colour"]) {
      for (const text of ["https://user:s3cret@auth.example:99999/", "user:s3cret@auth example"]) {
        for (const problem of await problemsIn({ [`websocket:${name}`]: text })) {
          assert.doesNotMatch(lineOf(problem), /s3cret/, name);
        }
      }
    }
  });

  it("reports everything that is wrong at once, in one message", async () => {
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

  it("suggests commands that mend it", async () => {
    // Each suggested `config set` or `config rm` is applied, until nothing is left to mend.
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
      assert.ok(rounds.length < 4, "the suggestions mend the configuration");
      for (const problem of problems) apply(problem, config);
    }
    assert.deepEqual(rounds, [3, 4]);
    assert.equal(config["websocket:allowedOrigins"], '["https://a.example","https://c.example"]');
    assert.equal(config["aws:allowedAccountIds"], '["210987654321"]');
    assert.equal(config["websocket:logLevel"], "warn");
  });

  it("suggests commands that a shell takes as they are meant", async () => {
    const texts = ["a&b", "it's", "$(id)", "two  words", "~", "*", "a;b|c>d", "`x`", '"', "\\"];
    for (const text of texts) {
      const config: Record<string, string | undefined> = { "websocket:jwtIssue": text };
      const [problem] = await problemsIn(config);
      assert.ok(problem);
      apply(problem, config);
      assert.deepEqual(config, { "websocket:jwtIssue": undefined, "websocket:jwtIssuer": text });
    }
    const origins = '["https://a","https://b:8443"]';
    const config: Record<string, string | undefined> = { "websocket:allowedOrigin": origins };
    const [problem] = await problemsIn(config);
    assert.ok(problem);
    apply(problem, config);
    assert.deepEqual(config, {
      "websocket:allowedOrigin": undefined,
      "websocket:allowedOrigins": origins,
    });
    assert.equal(quoteForShell("a=b,c"), "a=b,c");
    assert.equal(quoteForShell(""), "''");
  });

  it("reports everything that does not fit together at once: edge and workload", async () => {
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
    it("may say anything of tasks, for there are none", async () => {
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

  describe("of the channels", () => {
    it("lets as many be as fit into a task, and no more", async () => {
      for (const [config, most] of [
        [{}, 336],
        [{ backplane: "memory", maxTasks: "1" }, 207],
        [{ cpu: "256", memoryMiB: "512" }, 84],
        [{ memoryMiB: "8192", retainedBytes: "262144" }, 2658],
      ] as const) {
        const under = (maxChannels: number): Promise<readonly Problem[]> => {
          const values = Object.entries({ ...config, maxChannels: String(maxChannels) });
          return problemsIn(Object.fromEntries(values.map(([name, value]) => [`websocket:${name}`, value])));
        };
        const [other] = await under(most);
        assert.notEqual(other?.key, "websocket:maxChannels", JSON.stringify(config));
        const [problem] = await under(most + 1);
        assert.deepEqual(problem?.fix, [{ set: "websocket:maxChannels", to: String(most) }]);
      }
    });
  });

  describe("of the connections", () => {
    it("lets as many be as fit beside the channels, and no more", async () => {
      for (const config of [
        { maxChannels: "300" },
        { backplane: "memory", maxTasks: "1" },
        { cpu: "256", memoryMiB: "512", maxChannels: "30" },
        { maxPayloadBytes: "8388608", retainedBytes: "33554432", maxChannels: "14" },
      ]) {
        const under = (maxConnections: number): Promise<readonly Problem[]> => {
          const values = Object.entries({ ...config, maxConnections: String(maxConnections) });
          return problemsIn(Object.fromEntries(values.map(([name, value]) => [`websocket:${name}`, value])));
        };
        const [problem] = await under(65_000);
        const change = problem?.fix[0];
        assert.ok(change !== undefined && "set" in change, JSON.stringify(config));
        assert.equal(change.set, "websocket:maxConnections");
        const most = Number(change.to);
        assert.deepEqual(await under(most), [], JSON.stringify(config));
        assert.equal((await under(most + 1)).length, 1, JSON.stringify(config));
      }
    });

    it("says what takes the memory", async () => {
      const [problem] = await problemsIn({ "websocket:maxChannels": "336" });
      assert.equal(
        problem?.expected,
        "at most 16689: of websocket:memoryMiB 2048, websocket:maxChannels 336 takes up to 1533 MiB, the server with " +
          "websocket:maxPayloadBytes 65536 up to 320 MiB, and each connection 12 KiB",
      );
    });

    it("proposes more memory when there is room for none", async () => {
      const small = { "websocket:cpu": "256", "websocket:memoryMiB": "512", "websocket:maxChannels": "84" };
      const [problem] = await problemsIn(small);
      assert.match(problem?.expected ?? "", /not even one fits/);
      assert.deepEqual(problem?.fix, [{ set: "websocket:memoryMiB", to: "1024" }]);
      assert.deepEqual(await problemsIn({ ...small, "websocket:memoryMiB": "1024" }), []);
    });
  });

  it("describes every key's legal values", () => {
    for (const definition of Object.values(configDefinitions))
      assert.ok(allowedValues(definition).length > 0);
  });
});

function problemsIn(config: Readonly<Record<string, string | undefined>>): Promise<readonly Problem[]> {
  return findConfigProblems({ stack: "dev", config });
}

function lineOf(problem: Problem): string {
  return formatProblems([problem], stackFile("dev").describeFix).join();
}

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
