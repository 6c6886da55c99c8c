/** The two roles of a task: what its process may do in AWS, and what ECS may do to start it. */
import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import type { Generations } from "./generations.ts";
import type { Suppression } from "./suppression.ts";

/**
 * A role for ECS's tasks of this account, as no other account's tasks may assume it (Amazon ECS Developer Guide, "Task IAM role").
 * @param statements of its policy; a role that may do nothing has none.
 * @returns its ARN, known only when it has its permissions.
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

/** What the policy pack finds in the statements below, and why it stands. */
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
      "logs:DescribeLogStreams on all that one resource holds",
    ],
    reason:
      "ECS Exec needs these actions. They know no resource, but for the last: a session's log stream has its id in its name.",
  },
  {
    rule: "IAM5",
    resource: ROLE_POLICY,
    findings: ["ecr:GetAuthorizationToken on every resource"],
    reason: "The action knows no resource. Images are pulled from the stack's own repository only.",
  },
  {
    rule: "IAM5",
    resource: ROLE_POLICY,
    findings: [
      "logs:CreateLogStream on all that one resource holds",
      "logs:PutLogEvents on all that one resource holds",
    ],
    reason:
      "A task's log stream has its id in its name. They are the streams of the service's own log groups only.",
  },
];

/** Amazon ECS Developer Guide, "Monitor Amazon ECS containers with ECS Exec": only the actions on log streams support a resource. */
export function execStatements(logGroupArn: pulumi.Input<string>): readonly pulumi.Inputs[] {
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

/** What ECS needs to start a task, also one of the deployment before: its image, its log stream, and its secret. */
export function startStatements(
  repositoryArn: pulumi.Input<string>,
  logGroupArn: pulumi.Input<string>,
  parameterArns: Generations<pulumi.Input<string>> | undefined,
): pulumi.Inputs[] {
  return [
    // GetAuthorizationToken supports no resource (Service Authorization Reference, Amazon ECR).
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
    // The key that AWS manages for SSM lets every principal that may read the parameter decrypt it.
    ...(parameterArns === undefined
      ? []
      : [{ Effect: "Allow", Action: "ssm:GetParameters", Resource: [...parameterArns] }]),
  ];
}
