/** The task role (permissions of the server) and the task execution role (permissions of ECS when it starts a task). */
import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import type { Generations } from "../generations.ts";
import type { Suppression } from "../suppression.ts";

/**
 * Declares a role that only ECS tasks of this account can assume.
 * @param statements statements of its policy; an empty list declares no policy.
 * @returns the ARN of the role, available after its policy exists.
 * @see https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html
 */
export function declareTaskRole(
  name: string,
  statements: readonly pulumi.Inputs[],
  child: pulumi.CustomResourceOptions,
): pulumi.Output<string> {
  const { accountId } = aws.getCallerIdentityOutput({}, child);
  const role = new aws.iam.Role(
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
  );
  if (statements.length === 0) return role.arn;
  const policy = new aws.iam.RolePolicy(
    `${name}-policy`,
    {
      role: role.name,
      policy: pulumi.jsonStringify({ Version: "2012-10-17", Statement: statements }),
    },
    child,
  );
  return pulumi.all([role.arn, policy.id]).apply(([arn]) => arn);
}

const ROLE_POLICY = "websocket:infra:Service$aws:iam/rolePolicy:RolePolicy";

/** Accepted findings of the policy pack in the statements below. */
export const suppressions: readonly Suppression[] = [
  {
    rule: "IAM5",
    resource: ROLE_POLICY,
    when: "enableExec is true",
    findings: [
      "logs:DescribeLogGroups on every resource",
      "ssmmessages:CreateControlChannel on every resource",
      "ssmmessages:CreateDataChannel on every resource",
      "ssmmessages:OpenControlChannel on every resource",
      "ssmmessages:OpenDataChannel on every resource",
      "logs:DescribeLogStreams on everything in one resource",
    ],
    reason:
      "ECS Exec needs these actions. Only the last one supports a resource, and the name of a session's log stream contains the session ID.",
  },
  {
    rule: "IAM5",
    resource: ROLE_POLICY,
    findings: ["ecr:GetAuthorizationToken on every resource"],
    reason:
      "The action supports no resource. The other ECR actions are limited to the repository of the stack.",
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
 * @see https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-exec.html
 */
export function buildExecStatements(logGroupArn: pulumi.Input<string>): readonly pulumi.Inputs[] {
  return [
    {
      Effect: "Allow",
      Action: [
        "ssmmessages:CreateControlChannel",
        "ssmmessages:CreateDataChannel",
        "ssmmessages:OpenControlChannel",
        "ssmmessages:OpenDataChannel",
        "logs:DescribeLogGroups",
      ],
      Resource: "*",
    },
    {
      Effect: "Allow",
      Action: ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
      Resource: pulumi.interpolate`${logGroupArn}:*`,
    },
  ];
}

/**
 * Returns the statements that ECS needs to start a task: pull the image, create the log stream, read the secret.
 * @param parameterArns SSM parameters of the current and the previous generation; ECS can still start tasks of the previous
 * deployment.
 * @see https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_execution_IAM_role.html
 */
export function buildExecutionStatements(
  repositoryArn: pulumi.Input<string>,
  logGroupArn: pulumi.Input<string>,
  parameterArns: Generations<pulumi.Input<string>> | undefined,
): pulumi.Inputs[] {
  return [
    // The action supports no resource: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerregistry.html
    { Effect: "Allow", Action: "ecr:GetAuthorizationToken", Resource: "*" },
    {
      Effect: "Allow",
      Action: ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
      Resource: repositoryArn,
    },
    {
      Effect: "Allow",
      Action: ["logs:CreateLogStream", "logs:PutLogEvents"],
      Resource: pulumi.interpolate`${logGroupArn}:*`,
    },
    // The AWS managed key of SSM allows decryption to every principal that can read the parameter.
    ...(parameterArns === undefined
      ? []
      : [{ Effect: "Allow", Action: "ssm:GetParameters", Resource: [...parameterArns] }]),
  ];
}
