/** The keys of existing infrastructure: resources of others that a stack uses instead of its own. */
import { MAX_FIRST_PRIORITY, PRIORITY_COUNT } from "./data/listenerRulePriorities.ts";
import { orEmpty } from "./keyDefinition.ts";
import type { KeyDefinition, KeyValues } from "./keyDefinition.ts";

/** EC2 gave IDs of 8 digits before it gave IDs of 17. */
const ID_DIGITS = /[0-9a-f]{8}(?:[0-9a-f]{9})?/;

/** ARN of a cluster; its first group is the region. */
export const CLUSTER_ARN = /arn:aws:ecs:(?<region>[a-z0-9-]+):\d{12}:cluster\/[\w-]{1,255}/;

/** ARN of a listener of an Application Load Balancer; its first group is the region. */
export const LISTENER_ARN =
  /arn:aws:elasticloadbalancing:(?<region>[a-z0-9-]+):\d{12}:listener\/app\/[A-Za-z0-9-]{1,32}\/[0-9a-f]{16}\/[0-9a-f]{16}/;

/** Each list has a default of its own: a shared one would be an anchor in Pulumi.yaml. */
const SUBNET_IDS = {
  kind: "list",
  isInput: true,
  pattern: new RegExp(`subnet-${ID_DIGITS.source}`),
  allowed: "IDs of subnets such as subnet-0123456789abcdef0",
} as const;

/** The keys of existing infrastructure, with their types, defaults and descriptions. */
export const existingDefinitions = {
  vpcId: {
    kind: "text",
    default: "",
    isInput: true,
    pattern: orEmpty(new RegExp(`vpc-${ID_DIGITS.source}`)),
    allowed: "the ID of a VPC, such as vpc-0123456789abcdef0, or empty",
    description: "Existing VPC of the service; if empty, the service has its own",
  },
  publicSubnetIds: {
    ...SUBNET_IDS,
    default: [],
    description:
      "Public subnets of vpcId, for a public load balancer, and for the tasks without privateSubnetIds",
  },
  privateSubnetIds: {
    ...SUBNET_IDS,
    default: [],
    description:
      "Private subnets of vpcId with NAT or VPC endpoints, for the tasks, the cache and an internal load balancer",
  },
  clusterArn: {
    kind: "text",
    default: "",
    isInput: true,
    pattern: orEmpty(CLUSTER_ARN),
    allowed: "the ARN of an ECS cluster, or empty",
    description: "Existing ECS cluster of the service; if empty, the service has its own",
  },
  listenerArn: {
    kind: "text",
    default: "",
    isInput: true,
    pattern: orEmpty(LISTENER_ARN),
    allowed: "the ARN of a listener of an Application Load Balancer, or empty",
    description:
      "Existing listener in vpcId, on which the service has its rules; if empty, the service has its own load balancer",
  },
  listenerRulePriority: {
    kind: "integer",
    unit: "priority",
    default: 100,
    min: 1,
    max: MAX_FIRST_PRIORITY,
    description: `First of the ${PRIORITY_COUNT} priorities of listenerArn that belong to the service`,
  },
  logGroupName: {
    kind: "text",
    default: "",
    isInput: true,
    // CloudWatch Logs API reference, CreateLogGroup.
    pattern: /[\w./#-]{0,512}/,
    allowed: "the name of a log group, or empty",
    description: "Existing log group of the tasks; if empty, the service has its own",
  },
  repositoryName: {
    kind: "text",
    default: "",
    isInput: true,
    // ECR API reference, CreateRepository.
    pattern: orEmpty(/(?=.{2,256}$)[a-z0-9]+(?:[._-][a-z0-9]+)*(?:\/[a-z0-9]+(?:[._-][a-z0-9]+)*)*/),
    allowed: "the name of an ECR repository, or empty",
    description: "Existing ECR repository of the image; if empty, the service has its own",
  },
} as const satisfies Record<string, KeyDefinition>;

/** A value for each key of existing infrastructure, legal by itself. */
export type ExistingValues = KeyValues<typeof existingDefinitions>;
