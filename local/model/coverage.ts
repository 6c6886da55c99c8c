/**
 * What becomes of each declared type on this machine. Every type is in exactly one list, and a type that nobody
 * has thought of is reported, so that nothing is skipped silently.
 */
import type { DeclaredGraph } from "../../infra/evaluation/graph.ts";
import type { Unplayed } from "./parts.ts";

/** Played from their declared values. */
const PLAYED = [
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

/** Behaviour that the cloud has and this machine does not show, by the reason. */
const NOT_PLAYED: Readonly<Record<string, readonly string[]>> = {
  "the number of tasks stays as started": ["aws:appautoscaling/policy:Policy"],
  "the stack's own names are localhost here, with a certificate that this machine made": [
    "aws:acm/certificate:Certificate",
    "aws:acm/certificateValidation:CertificateValidation",
    "aws:route53/record:Record",
  ],
};

/** Nothing that a client could notice, by the reason why not. */
const PASSIVE: Readonly<Record<string, readonly string[]>> = {
  "this machine's loopback is the network, and only this machine reaches it": [
    "awsx:ec2:Vpc",
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
    "aws:ec2/flowLog:FlowLog",
    "aws:ec2/securityGroup:SecurityGroup",
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
  ],
  "tasks run the server's sources, and no image": [
    "aws:ecr/lifecyclePolicy:LifecyclePolicy",
    "aws:ecr/repository:Repository",
    "awsx:ecr:Image",
  ],
  "tasks are processes of this user": [
    "aws:ecs/cluster:Cluster",
    "aws:iam/role:Role",
    "aws:iam/rolePolicy:RolePolicy",
  ],
  "logs are shown and not stored": [
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
  "no metrics of the cloud are collected": ["aws:cloudwatch/metricAlarm:MetricAlarm"],
  "its value is used where it is referred to": [
    "aws:ssm/parameter:Parameter",
    "random:index/randomId:RandomId",
    "random:index/randomPassword:RandomPassword",
    "random:index/randomString:RandomString",
  ],
  "it only tells Pulumi how to deploy": [
    "pulumi:pulumi:Stack",
    "pulumi:providers:aws",
    "pulumi:providers:docker-build",
  ],
};

/** Components of the program itself: they only group resources that are judged one by one. */
const OWN_COMPONENT = "websocket:";

export type Verdict = "played" | "passive" | "not-played" | "unknown";

export interface Coverage {
  readonly type: string;
  /** Logical names, in the order of registration. */
  readonly names: readonly string[];
  readonly verdict: Verdict;
  /** Why it is not played; empty where it is. */
  readonly reason: string;
}

/**
 * What becomes of every declared resource, by type and verdict, in the order of registration.
 * @param unplayed resources that are not played, though their type is.
 */
export function coverage(graph: DeclaredGraph, unplayed: readonly Unplayed[] = []): readonly Coverage[] {
  const judged = graph.resources.map(({ type, name }) => {
    const exception = unplayed.find((resource) => resource.type === type && resource.name === name);
    return {
      type,
      name,
      ...(exception === undefined
        ? verdictOn(type)
        : { verdict: "not-played" as const, reason: exception.reason }),
    };
  });
  const groups = Map.groupBy(judged, ({ type, reason }) => `${type} ${reason}`);
  return [...groups.values()].flatMap((group) => {
    const [first] = group;
    if (first === undefined) return [];
    const { type, verdict, reason } = first;
    return { type, names: group.map(({ name }) => name), verdict, reason };
  });
}

/** What a user misses here, by the reason. */
export interface Gap {
  readonly types: readonly string[];
  readonly names: readonly string[];
  readonly reason: string;
}

/** One entry for each reason. */
export function gaps(covered: readonly Coverage[]): readonly Gap[] {
  const missing = covered.filter(({ verdict }) => verdict === "not-played" || verdict === "unknown");
  return [...Map.groupBy(missing, ({ reason }) => reason)].map(([reason, entries]) => ({
    types: entries.map(({ type }) => type),
    // A certificate and its validation bear one name.
    names: [...new Set(entries.flatMap(({ names }) => names))],
    reason,
  }));
}

function verdictOn(type: string): Pick<Coverage, "verdict" | "reason"> {
  if (PLAYED.includes(type)) return { verdict: "played", reason: "" };
  if (type.startsWith(OWN_COMPONENT)) return { verdict: "passive", reason: "it only groups its children" };
  for (const [verdict, lists] of [
    ["not-played", NOT_PLAYED],
    ["passive", PASSIVE],
  ] as const) {
    const found = Object.entries(lists).find(([, types]) => types.includes(type));
    if (found !== undefined) return { verdict, reason: found[0] };
  }
  return { verdict: "unknown", reason: "the local stack does not know this type" };
}
