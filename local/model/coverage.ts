/**
 * Whether the local stack emulates, skips or does not support a declared resource. Every type is in exactly one list. A type in none
 * of them is reported, so that no resource is omitted silently.
 */
import type { DeclaredGraph, DeclaredResource } from "../../infra/evaluation/graph.ts";
import type { UnsupportedResource } from "./unsupported.ts";

/** Emulated with their declared values. */
const EMULATED = [
  "aws:appautoscaling/policy:Policy",
  "aws:appautoscaling/scheduledAction:ScheduledAction",
  "aws:appautoscaling/target:Target",
  "aws:cloudfront/distribution:Distribution",
  "aws:cloudfront/originRequestPolicy:OriginRequestPolicy",
  "aws:cloudfront/vpcOrigin:VpcOrigin",
  "aws:elasticache/serverlessCache:ServerlessCache",
  "aws:elasticache/user:User",
  "aws:elasticache/userGroup:UserGroup",
  "aws:lb/listener:Listener",
  "aws:lb/listenerRule:ListenerRule",
  "aws:lb/loadBalancer:LoadBalancer",
  "aws:lb/targetGroup:TargetGroup",
  "awsx:ecs:FargateService",
];

/** Behavior in AWS that is missing here, by the reason. */
const UNSUPPORTED: Readonly<Record<string, readonly string[]>> = {
  "localhost and a self-signed certificate replace custom domains": [
    "aws:acm/certificate:Certificate",
    "aws:acm/certificateValidation:CertificateValidation",
    "aws:lb/listenerCertificate:ListenerCertificate",
    "aws:route53/record:Record",
  ],
  "an evaluation does not read other stacks: their outputs are undefined": ["pulumi:pulumi:StackReference"],
};

const DEPLOYMENT = "it configures the deployment";

/** Resources without an effect that a client could observe, by the reason. */
const SKIPPED: Readonly<Record<string, readonly string[]>> = {
  "the loopback interface replaces the network, and only this machine has access to it": [
    "awsx:ec2:Vpc",
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
    "aws:ec2/flowLog:FlowLog",
    "aws:ec2/securityGroup:SecurityGroup",
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
  ],
  "tasks are processes, which run from sources": [
    "aws:ecr/lifecyclePolicy:LifecyclePolicy",
    "aws:ecr/repository:Repository",
    "awsx:ecr:Image",
  ],
  "tasks are processes of this user": [
    "aws:ecs/cluster:Cluster",
    "aws:iam/role:Role",
    "aws:iam/rolePolicy:RolePolicy",
  ],
  "logs are printed and not stored": [
    "aws:cloudwatch/logDelivery:LogDelivery",
    "aws:cloudwatch/logDeliveryDestination:LogDeliveryDestination",
    "aws:cloudwatch/logDeliverySource:LogDeliverySource",
    "aws:cloudwatch/logGroup:LogGroup",
    "aws:s3/bucket:Bucket",
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls",
    "aws:s3/bucketPolicy:BucketPolicy",
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
  ],
  "CloudWatch does not collect metrics of this machine": ["aws:cloudwatch/metricAlarm:MetricAlarm"],
  "the resources that refer to it contain its value": [
    "aws:secretsmanager/secret:Secret",
    "aws:secretsmanager/secretVersion:SecretVersion",
    "aws:ssm/parameter:Parameter",
    "random:index/randomId:RandomId",
    "random:index/randomPassword:RandomPassword",
    "random:index/randomString:RandomString",
  ],
  [DEPLOYMENT]: ["pulumi:pulumi:Stack"],
};

const PROVIDER_PREFIX = "pulumi:providers:";

export type Treatment = "emulated" | "skipped" | "unsupported" | "unknown";

export interface Coverage {
  readonly type: string;
  /** Logical names, in the order of registration. */
  readonly names: readonly string[];
  readonly treatment: Treatment;
  /** Why the type is not emulated; empty if it is. */
  readonly reason: string;
}

/**
 * The treatment of every declared resource: one entry per type and reason, in the order of registration.
 * @param exceptions unsupported resources of types that are emulated.
 */
export function coverageOf(
  graph: DeclaredGraph,
  exceptions: readonly UnsupportedResource[] = [],
): readonly Coverage[] {
  const treated = graph.resources.map((resource) => {
    const { type, name } = resource;
    const exception = exceptions.find((other) => other.type === type && other.name === name);
    return {
      type,
      name,
      ...(exception === undefined
        ? treatmentOf(resource)
        : { treatment: "unsupported" as const, reason: exception.reason }),
    };
  });
  const groups = Map.groupBy(treated, ({ type, reason }) => `${type} ${reason}`);
  return [...groups.values()].flatMap((group) => {
    const [first] = group;
    if (first === undefined) return [];
    const { type, treatment, reason } = first;
    return { type, names: group.map(({ name }) => name), treatment, reason };
  });
}

/** Returns the number of resources by their treatment. */
export function countResources(covered: readonly Coverage[]): Readonly<Record<Treatment, number>> {
  const counts = { emulated: 0, skipped: 0, unsupported: 0, unknown: 0 };
  for (const { treatment, names } of covered) counts[treatment] += names.length;
  return counts;
}

/** Behavior in AWS that is missing here, for one reason. */
export interface Limitation {
  readonly types: readonly string[];
  readonly names: readonly string[];
  readonly reason: string;
}

export function limitationsOf(covered: readonly Coverage[]): readonly Limitation[] {
  const missing = covered.filter(({ treatment }) => treatment === "unsupported" || treatment === "unknown");
  return [...Map.groupBy(missing, ({ reason }) => reason)].map(([reason, entries]) => ({
    types: entries.map(({ type }) => type),
    // A certificate and its validation have the same name.
    names: [...new Set(entries.flatMap(({ names }) => names))],
    reason,
  }));
}

function treatmentOf({ type, custom, remote }: DeclaredResource): Pick<Coverage, "treatment" | "reason"> {
  if (EMULATED.includes(type)) return { treatment: "emulated", reason: "" };
  for (const [treatment, lists] of [
    ["unsupported", UNSUPPORTED],
    ["skipped", SKIPPED],
  ] as const) {
    const found = Object.entries(lists).find(([, types]) => types.includes(type));
    if (found !== undefined) return { treatment, reason: found[0] };
  }
  if (type.startsWith(PROVIDER_PREFIX)) return { treatment: "skipped", reason: DEPLOYMENT };
  // The resources of a component have treatments of their own.
  if (!custom && remote !== true) return { treatment: "skipped", reason: "it only groups resources" };
  return { treatment: "unknown", reason: "the local stack does not emulate them" };
}
