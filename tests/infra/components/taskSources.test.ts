/** The containers of a task, and what ECS may read when it starts them. */
import assert from "node:assert/strict";
import * as pulumi from "@pulumi/pulumi";
import { findRepositoryArn } from "../../../infra/components/tasks/imageUri.ts";
import { describeOwnContainer } from "../../../infra/components/tasks/ownContainer.ts";
import { completeSidecars, findSidecarSources } from "../../../infra/components/tasks/sidecars.ts";
import { buildExecutionStatements } from "../../../infra/components/tasks/taskRoles.ts";

const PARAMETER = "arn:aws:ssm:eu-west-1:123456789012:parameter/chat/key";
const SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:chat-AbCdEf";
const LOG_GROUP = "arn:aws:logs:eu-west-1:123456789012:log-group:chat";
const REPOSITORY = "arn:aws:ecr:eu-west-1:123456789012:repository/team/chat";

describe("the container of another server", () => {
  const args = {
    cpuArchitecture: "ARM64",
    port: 4000,
    environment: { LOG_LEVEL: "debug" },
    secrets: { API_KEY: SECRET },
  } as const;

  it("gets its port, the variables of the user and the secrets", () => {
    const container = describeOwnContainer({ uri: "nginx" }, { ...args, command: ["node"] }, undefined);
    assert.deepEqual(container.environment, [
      { name: "PORT", value: "4000" },
      { name: "LOG_LEVEL", value: "debug" },
    ]);
    assert.deepEqual(container.secrets, [{ name: "API_KEY", valueFrom: SECRET }]);
    assert.deepEqual([container.port, container.command], [4000, ["node"]]);
  });

  it("gets the address of the backplane, with the password as a secret", () => {
    const url = "rediss://websocket@cache.example:6379";
    const { environment, secrets, previousSecretArns } = describeOwnContainer({ uri: "nginx" }, args, {
      url,
      passwordArns: [PARAMETER, `${PARAMETER}-1`],
    });
    assert.deepEqual(
      environment.filter(({ name }) => name.startsWith("VALKEY")),
      [
        { name: "VALKEY_URL", value: url },
        { name: "VALKEY_CLUSTER", value: "true" },
      ],
    );
    assert.deepEqual(
      secrets.find(({ name }) => name === "VALKEY_PASSWORD"),
      { name: "VALKEY_PASSWORD", valueFrom: PARAMETER },
    );
    assert.deepEqual(previousSecretArns, [`${PARAMETER}-1`]);
  });
});

describe("the repository of an image", () => {
  for (const [uri, arn] of [
    ["123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/chat:v1", REPOSITORY],
    [`123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/chat@sha256:${"0".repeat(64)}`, REPOSITORY],
    ["123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/chat", REPOSITORY],
    ["123456789012.dkr-ecr.eu-west-1.on.aws/team/chat:v1", REPOSITORY],
    ["999999999999.dkr.ecr.us-east-1.amazonaws.com/a", "arn:aws:ecr:us-east-1:999999999999:repository/a"],
    ["public.ecr.aws/nginx/nginx:1", undefined],
    ["nginx", undefined],
    ["ghcr.io/team/chat:v1", undefined],
    ["example.com/123456789012.dkr.ecr.eu-west-1.amazonaws.com/a", undefined],
  ] as const) {
    it(`of ${uri} is ${arn ?? "public or of another registry"}`, () => {
      assert.equal(findRepositoryArn(uri), arn);
    });
  }
});

describe("the task execution role", () => {
  const permissionsOf = (
    sources: Partial<Parameters<typeof buildExecutionStatements>[0]>,
  ): Record<string, unknown> =>
    Object.fromEntries(
      buildExecutionStatements({
        repositoryArns: [],
        secretArns: [],
        logGroupArn: LOG_GROUP,
        ...sources,
      }).flatMap(({ Action, Resource }) =>
        ([Action].flat() as readonly string[]).map((action) => [action, Resource as unknown]),
      ),
    );

  it("can only write the log if the image is public and there are no secrets", () => {
    assert.deepEqual(permissionsOf({}), {
      "logs:CreateLogStream": `${LOG_GROUP}:*`,
      "logs:PutLogEvents": `${LOG_GROUP}:*`,
    });
  });

  it("can pull from private repositories, each once", () => {
    const permissions = permissionsOf({ repositoryArns: [REPOSITORY, REPOSITORY] });
    assert.equal(permissions["ecr:GetAuthorizationToken"], "*");
    assert.deepEqual(permissions["ecr:BatchGetImage"], [REPOSITORY]);
  });

  it("can read exactly the parameters and the secrets of the containers", () => {
    const permissions = permissionsOf({ secretArns: [PARAMETER, `${SECRET}:password::`, SECRET] });
    assert.deepEqual(permissions["ssm:GetParameters"], [PARAMETER]);
    assert.deepEqual(permissions["secretsmanager:GetSecretValue"], [SECRET]);
  });
});

describe("sidecars", () => {
  const logTo = (prefix: string) => ({ logDriver: "awslogs", options: { "awslogs-stream-prefix": prefix } });

  it("may end without the task, and log to the log group of the service", () => {
    const { collector } = completeSidecars({ collector: { image: "otel/collector" } }, logTo);
    assert.deepEqual(collector, {
      name: "collector",
      image: "otel/collector",
      essential: false,
      logConfiguration: logTo("collector"),
    });
  });

  it("keep what their definitions have", () => {
    const logConfiguration = { logDriver: "awsfirelens" };
    const { router } = completeSidecars(
      { router: { image: "fluent-bit", essential: true, logConfiguration } },
      logTo,
    );
    assert.deepEqual([router?.essential, router?.logConfiguration], [true, logConfiguration]);
  });

  it("can have images of ECR and secrets, which ECS reads", async () => {
    const sources = findSidecarSources({
      collector: {
        image: pulumi.output("123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/chat:v1"),
        secrets: pulumi.output([{ name: "KEY", valueFrom: pulumi.output(PARAMETER) }]),
      },
      router: {
        image: "registry.example/router:1",
        repositoryCredentials: { credentialsParameter: SECRET },
        logConfiguration: {
          logDriver: "splunk",
          secretOptions: [{ name: "splunk-token", valueFrom: `${PARAMETER}-token` }],
        },
      },
    });
    const read = await new Promise((resolve) => sources.apply(resolve));
    assert.deepEqual(read, {
      repositoryArns: [REPOSITORY],
      secretArns: [PARAMETER, `${PARAMETER}-token`, SECRET],
    });
  });
});
