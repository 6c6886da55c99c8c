import assert from "node:assert/strict";
import * as pulumi from "@pulumi/pulumi";
import type { Problem } from "../../../app/src/settings/problem.ts";
import { checkScalingMetric } from "../../../infra/config/ownServer/checkScalingMetric.ts";
import { checkServerImage } from "../../../infra/config/ownServer/checkServerImage.ts";
import { checkSidecars } from "../../../infra/config/ownServer/checkSidecars.ts";

const PARAMETER = "arn:aws:ssm:eu-west-1:123456789012:parameter/chat/key";
const SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:chat-AbCdEf";
const later = pulumi.output("later");

/** Each problem as `KEY: got X; expected Y`. */
const linesOf = (problems: readonly Problem[]): readonly string[] =>
  problems.map(({ key, got, expected }) => `${key}: got ${got}; expected ${expected}`);

/** Relative to the working directory of the tests, which is the repository. */
const build = { context: "app" };

describe("the argument image", () => {
  for (const image of [
    { uri: "nginx" },
    { uri: "ghcr.io/team/chat:v1.2" },
    { uri: `123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/chat@sha256:${"0".repeat(64)}` },
    { uri: "localhost:5000/chat" },
    { uri: later },
    { build },
    { build: { ...build, dockerfile: "Dockerfile", target: "build", args: { VERSION: "1" } } },
    { uri: "nginx", port: 1, path: "/graphql", healthPath: "/health?full", stickinessSeconds: 604_800 },
    { uri: "nginx", command: ["node", "server.js"], healthCommand: ["node", "health.js"] },
    {
      uri: "nginx",
      environment: { A: "", _b: later },
      secrets: { C: PARAMETER, D: `${SECRET}:key::`, E: later },
    },
    { uri: "nginx", cpuArchitecture: "X86_64", port: undefined },
  ]) {
    it(`can be ${JSON.stringify(image)}`, () => {
      assert.deepEqual(linesOf(checkServerImage(image, true)), []);
    });
  }

  for (const [image, expected] of [
    ["nginx", /^image: got "nginx"; expected an object/],
    [{}, /^image: got neither uri nor build; expected exactly one/],
    [{ uri: "nginx", build }, /^image: got both uri and build; expected exactly one/],
    [{ uri: "https://ghcr.io/team/chat" }, /^image\.uri: got ".*"; expected an image without a scheme/],
    [{ uri: "Team/Chat" }, /^image\.uri: got "Team\/Chat"/],
    [{ uri: "nginx", port: 0 }, /^image\.port: got 0; expected a whole number from 1 to 65535/],
    [{ uri: "nginx", port: "8080" }, /^image\.port: got "8080"/],
    [{ uri: "nginx", port: later }, /^image\.port: got an output or a promise/],
    [{ uri: "nginx", path: "graphql" }, /^image\.path: got "graphql"; expected a path that starts with \//],
    [{ uri: "nginx", healthPath: "/a b" }, /^image\.healthPath: got "\/a b"/],
    [{ uri: "nginx", path: "/a#b" }, /^image\.path: got "\/a#b"/],
    [{ uri: "nginx", stickinessSeconds: 604_801 }, /^image\.stickinessSeconds: got 604801; .* 1 to 604800/],
    [
      { uri: "nginx", command: "node server.js" },
      /^image\.command: got "node server\.js"; expected 1 to 100 words/,
    ],
    [{ uri: "nginx", healthCommand: [] }, /^image\.healthCommand: got \[\]/],
    [
      { uri: "nginx", prot: 80 },
      /^image\.prot: got an unknown argument; expected a known one \(did you mean port\?\)/,
    ],
    [
      { uri: "nginx", cpuArchitecture: "arm" },
      /^image\.cpuArchitecture: got "arm"; expected one of ARM64, X86_64/,
    ],
    [{ uri: "nginx", environment: { "a-b": "" } }, /^image\.environment: got the name "a-b"/],
    [{ uri: "nginx", environment: { A: 1 } }, /^image\.environment\.A: got 1; expected text/],
    [
      { uri: "nginx", environment: { PORT: "1" } },
      /^image\.environment\.PORT: .* image\.port sets this variable/,
    ],
    [
      { uri: "nginx", secrets: { VALKEY_URL: PARAMETER } },
      /^image\.secrets\.VALKEY_URL: .* backplane valkey sets/,
    ],
    [
      { uri: "nginx", secrets: { A: "password" } },
      /^image\.secrets\.A: .*expected the ARN of an SSM parameter or/,
    ],
    [{ uri: "nginx", secrets: { A: `${SECRET}:a:b:c:d` } }, /^image\.secrets\.A: /],
    [
      { uri: "nginx", environment: { A: "" }, secrets: { A: PARAMETER } },
      /^image\.secrets\.A: got a value; expected the variable once: image\.environment\.A sets it too/,
    ],
    [{ build: {} }, /^image\.build\.context: got nothing; expected the path of a folder/],
    [
      { build: { context: "./nowhere" } },
      /^image\.build\.context: got ".\/nowhere"; expected an existing folder/,
    ],
    [
      { build: { ...build, dockerfile: "Gone" } },
      /^image\.build\.dockerfile: got "Gone"; expected a file in /,
    ],
    [
      { build: { ...build, dockerfile: "/Dockerfile" } },
      /^image\.build\.dockerfile: .* a path in the build context/,
    ],
    [{ build: { ...build, args: { A: later } } }, /^image\.build\.args\.A: got an output or a promise/],
    [{ build: { ...build, contxt: "." } }, /^image\.build\.contxt: .*did you mean context\?/],
  ] as const) {
    it(`cannot be ${JSON.stringify(image)}`, () => {
      const lines = linesOf(checkServerImage(image, true));
      assert.equal(lines.length, 1, lines.join("\n"));
      assert.match(lines.join(), expected);
    });
  }

  it("can have the variables of the backplane if there is none", () => {
    assert.deepEqual(checkServerImage({ uri: "nginx", environment: { VALKEY_URL: "" } }, false), []);
  });

  it("reports all problems at once", () => {
    const lines = linesOf(checkServerImage({ port: 0, path: "", environment: { PORT: "" } }, false));
    assert.deepEqual(
      lines.map((line) => line.split(":")[0]),
      ["image.port", "image.path", "image", "image.environment.PORT"],
    );
  });

  it("does not print the values of variables that look like secrets", () => {
    const [line = ""] = linesOf(
      checkServerImage({ uri: "nginx", secrets: { A: "redis://u:secret@host" } }, false),
    );
    assert.doesNotMatch(line, /secret@/);
  });
});

describe("the argument sidecars", () => {
  it("has container definitions by name", () => {
    assert.deepEqual(checkSidecars({ "otel-collector": { image: "otel" }, router_2: { image: later } }), []);
  });

  for (const [sidecars, expected] of [
    [[], /^sidecars: got \[\]; expected an object/],
    [{ "a b": { image: "otel" } }, /^sidecars: got the name "a b"; expected up to 255 letters/],
    [{ "websocket-service": { image: "otel" } }, /^sidecars: got the name "websocket-service"/],
    [{ otel: {} }, /^sidecars\.otel\.image: got nothing; expected an image/],
    [
      Object.fromEntries(Array.from({ length: 10 }, (_, index) => [`s${index}`, { image: "otel" }])),
      /^sidecars: got 10; expected at most 9, because a task has at most 10 containers/,
    ],
  ] as const) {
    it(`cannot be ${JSON.stringify(sidecars).slice(0, 60)}`, () => {
      assert.match(linesOf(checkSidecars(sidecars)).join("\n"), expected);
    });
  }
});

describe("the argument scalingMetric", () => {
  const metric = { namespace: "Chat", name: "Subscriptions", target: 100 };

  it("has a metric and a target value", () => {
    const dimensions = { Service: later };
    assert.deepEqual(checkScalingMetric({ ...metric, dimensions, statistic: "Maximum", unit: "Count" }), []);
  });

  for (const [change, expected] of [
    [{ target: 0 }, /^scalingMetric\.target: got 0; expected a number above 0/],
    [{ target: undefined }, /^scalingMetric\.target: got nothing/],
    [{ namespace: "" }, /^scalingMetric\.namespace: got ""; expected 1 to 255 printable/],
    [{ statistic: "p99" }, /^scalingMetric\.statistic: got "p99"; expected one of Average/],
    [{ unit: "per minute" }, /^scalingMetric\.unit/],
    [{ dimensions: { Service: "" } }, /^scalingMetric\.dimensions\.Service/],
    [{ targt: 1 }, /^scalingMetric\.targt: .*did you mean target\?/],
  ] as const) {
    it(`cannot have ${JSON.stringify(change)}`, () => {
      assert.match(linesOf(checkScalingMetric({ ...metric, ...change })).join("\n"), expected);
    });
  }
});
