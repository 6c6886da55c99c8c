/**
 * What becomes of each declared type on this machine. Every type is in exactly one list, and a type that nobody
 * has thought of is reported, so that nothing is skipped silently.
 */
import type { DeclaredGraph } from "../../infra/graph.ts";

/** Played from their declared values. */
const PLAYED = [
  "aws:appautoscaling/target:Target",
  "aws:cloudfront/distribution:Distribution",
  "aws:elasticache/serverlessCache:ServerlessCache",
  "aws:elasticache/user:User",
  "aws:elasticache/userGroup:UserGroup",
  "aws:lb/listener:Listener",
  "aws:lb/listenerRule:ListenerRule",
  "aws:lb/loadBalancer:LoadBalancer",
  "aws:lb/targetGroup:TargetGroup",
  "awsx:ecs:FargateService",
];

/** Behaviour that the cloud has and this machine does not show yet. */
const NOT_PLAYED: Readonly<Record<string, string>> = {
  "aws:appautoscaling/policy:Policy": "the number of tasks stays as started",
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
  "its value is used where it is referred to": [
    "aws:ssm/parameter:Parameter",
    "random:index/randomId:RandomId",
    "random:index/randomPassword:RandomPassword",
    "random:index/randomString:RandomString",
  ],
  "it only tells Pulumi how to deploy": ["pulumi:pulumi:Stack", "pulumi:providers:aws"],
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

/** One entry for each declared type, in the order of registration. */
export function coverage(graph: DeclaredGraph): readonly Coverage[] {
  const byType = Map.groupBy(graph.resources, ({ type }) => type);
  return [...byType].map(([type, resources]) => ({
    type,
    names: resources.map(({ name }) => name),
    ...verdictOn(type),
  }));
}

function verdictOn(type: string): Pick<Coverage, "verdict" | "reason"> {
  if (PLAYED.includes(type)) return { verdict: "played", reason: "" };
  const missing = NOT_PLAYED[type];
  if (missing !== undefined) return { verdict: "not-played", reason: missing };
  if (type.startsWith(OWN_COMPONENT)) return { verdict: "passive", reason: "it only groups its children" };
  const passive = Object.entries(PASSIVE).find(([, types]) => types.includes(type));
  if (passive !== undefined) return { verdict: "passive", reason: passive[0] };
  return { verdict: "unknown", reason: "the local stack does not know this type" };
}
