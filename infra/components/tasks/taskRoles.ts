/** The task role (permissions of the server) and the task execution role (permissions of ECS when it starts a task). */
import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import type { Suppression } from "../suppression.ts";
import { applyTransform } from "../transform.ts";
import type { Transform } from "../transform.ts";
import { waitFor } from "../waitFor.ts";

/** A role, available after its policy exists. */
export interface TaskRole {
  readonly arn: pulumi.Output<string>;
  readonly name: pulumi.Output<string>;
}

/**
 * Declares a role that only ECS tasks of this account can assume.
 * @param statements statements of its policy; an empty list declares no policy.
 * @see https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html
 */
export function declareTaskRole(
  name: string,
  statements: pulumi.Output<readonly pulumi.Inputs[]> | readonly pulumi.Inputs[],
  child: pulumi.CustomResourceOptions,
  transform: Transform<aws.iam.RoleArgs> | undefined,
): TaskRole {
  const { accountId } = aws.getCallerIdentityOutput({}, child);
  const role = new aws.iam.Role(
    ...applyTransform(
      transform,
      `${name}-role`,
      {
        assumeRolePolicy: pulumi.jsonStringify({
          Version: "2012-10-17",
          Statement: [
            {
              Effect: "Allow",
              Principal: { Service: "ecs-tasks.amazonaws.com" },
              Action: "sts:AssumeRole",
              Condition: { StringEquals: { "aws:SourceAccount": accountId } },
            },
          ],
        }),
      },
      child,
    ),
  );
  if (!pulumi.Output.isInstance(statements) && statements.length === 0) return role;
  const policy = new aws.iam.RolePolicy(
    `${name}-policy`,
    {
      role: role.name,
      policy: pulumi.jsonStringify({ Version: "2012-10-17", Statement: statements }),
    },
    child,
  );
  return { arn: waitFor([policy], role.arn), name: role.name };
}

const ROLE_POLICY = "websocket:infra:Service$aws:iam/rolePolicy:RolePolicy";

/** Accepted findings of the policy pack in the statements below. */
export const suppressions: readonly Suppression[] = [
  {
    rule: "IAM5",
    resource: ROLE_POLICY,
    when: "enableExec is true",
    findings: [
      "ssmmessages:CreateControlChannel on every resource",
      "ssmmessages:CreateDataChannel on every resource",
      "ssmmessages:OpenControlChannel on every resource",
      "ssmmessages:OpenDataChannel on every resource",
    ],
    reason: "ECS Exec needs these actions, which support no resource.",
  },
  {
    rule: "IAM5",
    resource: ROLE_POLICY,
    when: "enableExec is true, and the stack declares the cluster",
    findings: [
      "logs:DescribeLogGroups on every resource",
      "logs:DescribeLogStreams on everything in one resource",
    ],
    reason:
      "ECS Exec needs these actions to log its sessions. Only the last one supports a resource, and the name of a session's log stream contains the session ID.",
  },
  {
    rule: "IAM5",
    resource: ROLE_POLICY,
    when: "an image is in a private ECR repository",
    findings: ["ecr:GetAuthorizationToken on every resource"],
    reason:
      "The action supports no resource. The other ECR actions are limited to the repositories of the images.",
  },
  {
    rule: "IAM5",
    resource: ROLE_POLICY,
    findings: [
      "logs:CreateLogStream on everything in one resource",
      "logs:PutLogEvents on everything in one resource",
    ],
    reason:
      "The name of a task's log stream contains the task ID. The statement is limited to the log group of the service.",
  },
];

/**
 * Returns the statements that ECS Exec needs. Only the actions on log streams support a resource.
 * @param logGroupArn log group of the sessions; `undefined` if the sessions are logged elsewhere, or not at all.
 * @see https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-exec.html
 */
export function buildExecStatements(logGroupArn: pulumi.Input<string> | undefined): readonly pulumi.Inputs[] {
  return [
    {
      Effect: "Allow",
      Action: [
        "ssmmessages:CreateControlChannel",
        "ssmmessages:CreateDataChannel",
        "ssmmessages:OpenControlChannel",
        "ssmmessages:OpenDataChannel",
        ...(logGroupArn === undefined ? [] : ["logs:DescribeLogGroups"]),
      ],
      Resource: "*",
    },
    ...(logGroupArn === undefined
      ? []
      : [
          {
            Effect: "Allow",
            Action: ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
            Resource: pulumi.interpolate`${logGroupArn}:*`,
          },
        ]),
  ];
}

/** What ECS reads when it starts a task. */
export interface TaskSources {
  /** ARNs of the private ECR repositories of the images. */
  readonly repositoryArns: readonly string[];
  /** ARNs of SSM parameters and of secrets in Secrets Manager, as container definitions have them. */
  readonly secretArns: readonly string[];
  readonly logGroupArn: string;
}

/**
 * Returns the statements that ECS needs to start a task: pull the images, create the log stream, read the secrets. Images of other
 * registries than ECR need no permission.
 * @see https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_execution_IAM_role.html
 */
export function buildExecutionStatements({
  repositoryArns,
  secretArns,
  logGroupArn,
}: TaskSources): readonly pulumi.Inputs[] {
  const allow = (
    Action: string | readonly string[],
    Resource: string | readonly string[],
  ): pulumi.Inputs => ({
    Effect: "Allow",
    Action,
    Resource,
  });
  const repositories = unique(repositoryArns);
  const parameters = unique(secretArns.filter((arn) => !isSecretOfSecretsManager(arn)));
  const secrets = unique(secretArns.filter(isSecretOfSecretsManager).map(withoutSelector));
  return [
    ...(repositories.length === 0
      ? []
      : [
          // The action supports no resource: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerregistry.html
          allow("ecr:GetAuthorizationToken", "*"),
          allow(
            ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
            repositories,
          ),
        ]),
    allow(["logs:CreateLogStream", "logs:PutLogEvents"], `${logGroupArn}:*`),
    // The AWS managed keys of both services allow decryption to every principal that can read the value.
    ...(parameters.length === 0 ? [] : [allow("ssm:GetParameters", parameters)]),
    ...(secrets.length === 0 ? [] : [allow("secretsmanager:GetSecretValue", secrets)]),
  ];
}

function isSecretOfSecretsManager(arn: string): boolean {
  return arn.startsWith("arn:aws:secretsmanager:");
}

/** Segments of the ARN of a secret without the selector of a JSON key or a version. */
const SECRET_ARN_SEGMENTS = 7;

/** @see https://docs.aws.amazon.com/AmazonECS/latest/developerguide/secrets-envvar-secrets-manager.html */
function withoutSelector(arn: string): string {
  return arn.split(":").slice(0, SECRET_ARN_SEGMENTS).join(":");
}

function unique(values: readonly string[]): readonly string[] {
  return [...new Set(values)];
}
