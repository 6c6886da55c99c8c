/** Every rule, on the stack dev with changes that violate it and changes that do not. */
import assert from "node:assert/strict";
import * as aws from "@pulumi/aws";
import { toStack } from "../../policy/declared.ts";
import { evaluateRules } from "../../policy/evaluation.ts";
import type { Stack } from "../../policy/rule.ts";
import { rules } from "../../policy/rules.ts";
import { UNKNOWN } from "../../policy/values.ts";
import type { Values } from "../../policy/values.ts";
import { declaredGraph } from "../support/stacks.ts";
import { add, container, policyDocument, remove, set, unchanged, variable } from "./changes.ts";
import type { Change } from "./changes.ts";

const BUCKET = "aws:s3/bucket:Bucket";
const BUCKET_LOGGING = "aws:s3/bucketLogging:BucketLogging";
const BUCKET_POLICY = "aws:s3/bucketPolicy:BucketPolicy";
const CACHE = "aws:elasticache/serverlessCache:ServerlessCache";
const CACHE_CLUSTER = "aws:elasticache/cluster:Cluster";
const CERTIFICATE = "aws:acm/certificate:Certificate";
const CLUSTER = "aws:ecs/cluster:Cluster";
const DEFAULT_GROUP = "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup";
const DISTRIBUTION = "aws:cloudfront/distribution:Distribution";
const FLOW_LOG = "aws:ec2/flowLog:FlowLog";
const GROUP_RULE = "aws:ec2/securityGroupRule:SecurityGroupRule";
const INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule";
const LISTENER = "aws:lb/listener:Listener";
const LOAD_BALANCER = "aws:lb/loadBalancer:LoadBalancer";
const LOG_DELIVERY = "aws:cloudwatch/logDelivery:LogDelivery";
const LOG_SOURCE = "aws:cloudwatch/logDeliverySource:LogDeliverySource";
const POLICY_ATTACHMENT = "aws:iam/rolePolicyAttachment:RolePolicyAttachment";
const PUBLIC_BLOCK = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock";
const REPLICATION_GROUP = "aws:elasticache/replicationGroup:ReplicationGroup";
const REPOSITORY = "aws:ecr/repository:Repository";
const REPOSITORY_POLICY = "aws:ecr/repositoryPolicy:RepositoryPolicy";
const ROLE = "aws:iam/role:Role";
const ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy";
const SCALING_POLICY = "aws:appautoscaling/policy:Policy";
const SECURITY_GROUP = "aws:ec2/securityGroup:SecurityGroup";
const SERVICE = "aws:ecs/service:Service";
const TARGET_GROUP = "aws:lb/targetGroup:TargetGroup";
const USER = "aws:elasticache/user:User";
const VPC_ORIGIN = "aws:cloudfront/vpcOrigin:VpcOrigin";

const ALLOW = { Effect: "Allow", Action: "s3:GetObject", Resource: "arn:aws:s3:::one/object" };
const DENY_HTTP = {
  Effect: "Deny",
  Principal: "*",
  Action: "s3:*",
  Resource: ["arn:aws:s3:::logs", "arn:aws:s3:::logs/*"],
  Condition: { Bool: { "aws:SecureTransport": "false" } },
};
const NO_TLS = "it accepts requests without TLS";
const OWN_CERTIFICATE = { acmCertificateArn: "arn", minimumProtocolVersion: "TLSv1.2_2021" };
const PULL = { Effect: "Allow", Action: "ecr:BatchGetImage" };
const SECRET_IN = (name: string): string =>
  `${name} of container websocket-service contains a secret in plain text`;

const roleWith = (statement: Values): Change => set(ROLE_POLICY, { policy: policyDocument(statement) });
const healthCheck = (check: Values | undefined): Change => set(TARGET_GROUP, { healthCheck: check });
const circuitBreaker = (breaker: Values | undefined): Change =>
  set(SERVICE, { deploymentCircuitBreaker: breaker });
const percentages = (minimum: number | undefined, maximum: number | undefined): Change =>
  set(SERVICE, { deploymentMinimumHealthyPercent: minimum, deploymentMaximumPercent: maximum });
const origin = (customOriginConfig: Values | undefined): Change =>
  set(DISTRIBUTION, { origins: [{ originId: "one", customOriginConfig }] });
const vpcOrigin = (originProtocolPolicy: string, ...items: readonly string[]): Change =>
  add(VPC_ORIGIN, { vpcOriginEndpointConfig: { originProtocolPolicy, originSslProtocols: { items } } });
const bothOf =
  (first: Change, second: Change): Change =>
  (stack) =>
    second(first(stack));

/** The changes that cause each fault, and under `valid` those that cause none. */
type Examples = Readonly<Record<string, readonly Change[]>>;

const EXAMPLES: Readonly<Record<string, Examples>> = {
  CFR1: {
    "every country is served": [unchanged, set(DISTRIBUTION, { restrictions: undefined })],
    valid: [set(DISTRIBUTION, { restrictions: { geoRestriction: { restrictionType: "whitelist" } } })],
  },
  CFR2: {
    "there is no web ACL": [unchanged],
    valid: [set(DISTRIBUTION, { webAclId: "arn:aws:wafv2:us-east-1:123456789012:global/webacl/one" })],
  },
  CFR3: {
    "its access logs are not delivered": [
      remove(LOG_DELIVERY),
      set(LOG_SOURCE, { resourceArn: "arn:aws:cloudfront::1:other" }),
    ],
    valid: [unchanged, set(DISTRIBUTION, { loggingConfig: { bucket: "logs" } })],
  },
  CFR4: {
    "viewers can use TLS 1.0 with the default certificate of CloudFront": [unchanged],
    "viewers can use TLSv1.1_2016": [
      set(DISTRIBUTION, {
        viewerCertificate: { ...OWN_CERTIFICATE, minimumProtocolVersion: "TLSv1.1_2016" },
      }),
    ],
    "viewers can use TLSv1": [set(DISTRIBUTION, { viewerCertificate: { acmCertificateArn: "arn" } })],
    "viewers can connect without TLS at /x": [
      set(DISTRIBUTION, {
        orderedCacheBehaviors: [{ pathPattern: "/x", viewerProtocolPolicy: "allow-all" }],
      }),
    ],
    valid: [set(DISTRIBUTION, { viewerCertificate: OWN_CERTIFICATE })],
  },
  CFR5: {
    "CloudFront connects to origin load-balancer with http-only": [unchanged],
    "CloudFront can connect to origin one with SSLv3": [
      origin({ originProtocolPolicy: "https-only", originSslProtocols: ["TLSv1.2", "SSLv3"] }),
    ],
    "CloudFront connects with http-only": [vpcOrigin("http-only", "TLSv1.2")],
    "CloudFront can connect with TLSv1": [vpcOrigin("https-only", "TLSv1")],
    valid: [
      origin(undefined),
      origin({ originProtocolPolicy: "https-only", originSslProtocols: ["TLSv1.2"] }),
    ],
  },
  ELB2: {
    "access logs are off": [
      set(LOAD_BALANCER, { accessLogs: { bucket: "logs" } }),
      set(LOAD_BALANCER, { accessLogs: undefined }),
    ],
    valid: [unchanged],
  },
  VPC3: {
    "it is a network ACL": [
      add("aws:ec2/networkAcl:NetworkAcl", {}),
      add("aws:ec2/networkAclRule:NetworkAclRule", {}),
    ],
    valid: [unchanged],
  },
  VPC7: {
    "it has no flow log": [remove(FLOW_LOG), add("aws:ec2/vpc:Vpc", { id: "vpc-other" })],
    "no flow log of it records both accepted and rejected traffic": [
      set(FLOW_LOG, { trafficType: "REJECT" }),
    ],
    valid: [unchanged],
  },
  EC23: {
    "0.0.0.0/0 can connect to port 22": [add(INGRESS, { cidrIpv4: "0.0.0.0/0", fromPort: 22, toPort: 22 })],
    "0.0.0.0/1 can connect to every port": [add(INGRESS, { cidrIpv4: "0.0.0.0/1" })],
    "128.0.0.0/7 can connect to every port": [add(INGRESS, { cidrIpv4: "128.0.0.0/7" })],
    "0::0/0 can connect to every port": [add(INGRESS, { cidrIpv6: "0::0/0" })],
    "::/0 can connect to every port": [
      add(INGRESS, { cidrIpv6: "::/0", ipProtocol: "-1" }),
      set(DEFAULT_GROUP, { ingress: [{ ipv6CidrBlocks: ["::/0"] }] }),
    ],
    "0.0.0.0/0 can connect to port 1 to 9": [
      set(SECURITY_GROUP, {
        ingress: [{ cidrBlocks: ["10.0.0.0/8", "0.0.0.0/0"], fromPort: 1, toPort: 9 }],
      }),
    ],
    "0.0.0.0/0 can connect to every port": [add(GROUP_RULE, { type: "ingress", cidrBlocks: ["0.0.0.0/0"] })],
    valid: [
      unchanged,
      add(INGRESS, { cidrIpv4: "10.0.0.0/8" }),
      add(GROUP_RULE, { type: "egress", cidrBlocks: ["0.0.0.0/0"] }),
    ],
  },
  EC27: {
    "it has no description": [
      add(SECURITY_GROUP, {}),
      add(SECURITY_GROUP, { description: "Managed by Pulumi" }),
    ],
    valid: [unchanged],
  },
  HEADERS: {
    "it forwards header fields with invalid names": [
      set(LOAD_BALANCER, { dropInvalidHeaderFields: false }),
      add(LOAD_BALANCER, {}),
    ],
    valid: [unchanged, add(LOAD_BALANCER, { loadBalancerType: "network" })],
  },
  ECS2: {
    [SECRET_IN("WEBSOCKET_VALKEY_PASSWORD")]: [variable("WEBSOCKET_VALKEY_PASSWORD", "correct horse")],
    [SECRET_IN("WEBSOCKET_VALKEY_URL")]: [
      variable("WEBSOCKET_VALKEY_URL", "rediss://user:correct-horse@cache:6379"),
    ],
    [SECRET_IN("DB_PASS")]: [variable("DB_PASS", "correct horse")],
    [SECRET_IN("VALKEY_AUTH")]: [variable("VALKEY_AUTH", "correct horse")],
    [SECRET_IN("PWD_OF_VALKEY")]: [variable("PWD_OF_VALKEY", "correct horse")],
    [SECRET_IN("pass")]: [variable("pass", "correct horse")],
    [SECRET_IN("INNOCENT")]: [variable("INNOCENT", "AKIAIOSFODNN7EXAMPLE")],
    valid: [unchanged, variable("TOKEN", ""), variable("COMPASS", "north"), variable("AUTHOR", "me")],
  },
  ECS4: {
    "Container Insights are off": [
      set(CLUSTER, { settings: undefined }),
      set(CLUSTER, { settings: [{ name: "containerInsights", value: "disabled" }] }),
    ],
    valid: [unchanged, set(CLUSTER, { settings: [{ name: "containerInsights", value: "enabled" }] })],
  },
  ECS7: {
    "container websocket-service has no log driver": [
      container({ logConfiguration: undefined }),
      container({ logConfiguration: { logDriver: "none" } }),
    ],
    valid: [unchanged],
  },
  LOGGING: {
    "container websocket-service blocks when its log driver is slow": [
      container({ logConfiguration: { logDriver: "awslogs", options: { mode: "blocking" } } }),
      container({ logConfiguration: { logDriver: "awslogs", options: {} } }),
    ],
    valid: [unchanged, container({ logConfiguration: { logDriver: "awsfirelens" } })],
  },
  DEPLOYMENTS: {
    "its circuit breaker is off": [
      circuitBreaker(undefined),
      circuitBreaker({ enable: false, rollback: true }),
    ],
    "a failed deployment is not rolled back": [circuitBreaker({ enable: true, rollback: false })],
    "a deployment can stop tasks before new tasks run": [percentages(0, 200), percentages(0, undefined)],
    valid: [
      unchanged,
      percentages(0, 100),
      percentages(undefined, undefined),
      set(SERVICE, { deploymentController: { type: "EXTERNAL" }, deploymentCircuitBreaker: undefined }),
    ],
  },
  ADDRESSES: {
    "its tasks have no public address, NAT gateway or VPC endpoint": [
      set(SERVICE, { networkConfiguration: { assignPublicIp: false } }),
    ],
    valid: [
      unchanged,
      ...["aws:ec2/natGateway:NatGateway", "aws:ec2/vpcEndpoint:VpcEndpoint"].map((type) =>
        bothOf(set(SERVICE, { networkConfiguration: undefined }), add(type, {})),
      ),
    ],
  },
  SCALING: {
    "no policy scales it": [remove(SCALING_POLICY), set(SCALING_POLICY, { resourceId: "service/other/one" })],
    valid: [unchanged, set(SCALING_POLICY, { resourceId: UNKNOWN })],
  },
  IAM4: {
    "it has the managed policy AdministratorAccess": [
      add(POLICY_ATTACHMENT, { policyArn: "arn:aws-cn:iam::aws:policy/AdministratorAccess" }),
    ],
    "it has the managed policy service-role/One": [
      set(ROLE, { managedPolicyArns: ["arn:aws:iam::aws:policy/service-role/One"] }),
    ],
    valid: [unchanged, add(POLICY_ATTACHMENT, { policyArn: "arn:aws:iam::123456789012:policy/own" })],
  },
  IAM5: {
    "ssmmessages:OpenDataChannel on every resource": [unchanged],
    "logs:PutLogEvents on everything in one resource": [unchanged],
    "s3:* is a wildcard": [roleWith({ ...ALLOW, Action: ["s3:*"] })],
    "s3:GetObject on resources with a wildcard": [
      roleWith({ ...ALLOW, Resource: "arn:aws:logs:*:*:*" }),
      roleWith({ ...ALLOW, Resource: "arn:aws:logs:us-east-1:123456789012:log-group:*:*" }),
      roleWith({ ...ALLOW, Resource: "arn:aws:s3:::one/*" }),
    ],
    "every action except iam:* is allowed": [
      roleWith({ Effect: "Allow", NotAction: ["iam:*"], Resource: "arn:one" }),
    ],
    "s3:GetObject on all resources except some": [
      roleWith({ Effect: "Allow", Action: "s3:GetObject", NotResource: "arn:one" }),
    ],
    "s3:GetObject on every resource": [
      add(ROLE, { inlinePolicies: [{ policy: policyDocument({ ...ALLOW, Resource: "*" }) }] }),
    ],
    valid: [roleWith(ALLOW), roleWith({ Effect: "Deny", Action: "*", Resource: "*" })],
  },
  S1: {
    "its requests are not logged": [unchanged, add(BUCKET_LOGGING, { bucket: "other" })],
    valid: [
      set(BUCKET, { logging: { targetBucket: "other", targetPrefix: "" } }),
      bothOf(set(BUCKET, { bucket: "logs" }), add(BUCKET_LOGGING, { bucket: "logs" })),
    ],
  },
  S2: {
    "ignorePublicAcls is off": [set(PUBLIC_BLOCK, { ignorePublicAcls: false })],
    "restrictPublicBuckets is off": [remove(PUBLIC_BLOCK)],
    valid: [unchanged],
  },
  S10: {
    [NO_TLS]: [
      remove(BUCKET_POLICY),
      denyHttp({ Effect: "Allow" }),
      denyHttp({ Resource: "arn:aws:s3:::logs" }),
      // The statement is about another bucket.
      denyHttp({}, { arn: "arn:aws:s3:::other" }),
      denyHttp({}, { arn: UNKNOWN, bucket: "other" }),
      // The statement denies only some requests.
      denyHttp({ Condition: { ...DENY_HTTP.Condition, StringEquals: { "aws:PrincipalArn": "one" } } }),
      denyHttp({ Condition: { Bool: { "aws:SecureTransport": "true" } } }),
    ],
    valid: [
      unchanged,
      denyHttp({}),
      denyHttp({ Principal: { AWS: "*" } }),
      denyHttp({ Resource: "*" }),
      denyHttp({}, { arn: UNKNOWN }),
      denyHttp({}, { arn: UNKNOWN, bucket: UNKNOWN }),
    ],
  },
  ECR1: {
    "it is public": [add("aws:ecrpublic/repository:Repository", {})],
    "every principal is allowed ecr:BatchGetImage": [
      add(REPOSITORY_POLICY, { policy: policyDocument({ ...PULL, Principal: "*" }) }),
    ],
    valid: [
      unchanged,
      add(REPOSITORY_POLICY, { policy: policyDocument({ ...PULL, Principal: { AWS: "123456789012" } }) }),
    ],
  },
  PUBLIC: {
    "every principal is allowed s3:GetObject": [
      { Principal: "*" },
      { Principal: { AWS: ["*"] } },
      { NotPrincipal: { AWS: "123456789012" } },
    ].map((principal) => set(BUCKET_POLICY, { policy: policyDocument({ ...ALLOW, ...principal }) })),
    valid: [unchanged, set(BUCKET_POLICY, { policy: policyDocument({ ...ALLOW, Principal: { AWS: "1" } }) })],
  },
  IMAGES: {
    "its tags are mutable": [set(REPOSITORY, { imageTagMutability: "MUTABLE" }), add(REPOSITORY, {})],
    "its images are not scanned": [set(REPOSITORY, { imageScanningConfiguration: { scanOnPush: false } })],
    valid: [unchanged, set(REPOSITORY, { imageTagMutability: "IMMUTABLE_WITH_EXCLUSION" })],
  },
  AEC3: {
    "data in transit is not encrypted": [add(REPLICATION_GROUP, { atRestEncryptionEnabled: true })],
    "data at rest is not encrypted": [
      add(REPLICATION_GROUP, { transitEncryptionEnabled: true }),
      add(CACHE_CLUSTER, { transitEncryptionEnabled: true }),
    ],
    valid: [
      unchanged,
      add(REPLICATION_GROUP, { atRestEncryptionEnabled: true, transitEncryptionEnabled: true }),
      // The provider's type of this property is a string.
      add(REPLICATION_GROUP, { atRestEncryptionEnabled: "true", transitEncryptionEnabled: true }),
      add(CACHE_CLUSTER, { replicationGroupId: "group", transitEncryptionEnabled: true }),
    ],
  },
  AEC4: {
    "it uses one availability zone": [set(CACHE, { subnetIds: ["subnet-1"] }), add(REPLICATION_GROUP, {})],
    valid: [unchanged, add(REPLICATION_GROUP, { multiAzEnabled: true })],
  },
  AEC5: {
    "it uses its default port": [unchanged, add(REPLICATION_GROUP, { port: 6379 })],
    valid: [bothOf(remove(CACHE), add(REPLICATION_GROUP, { port: 7000 }))],
  },
  AEC6: {
    "it requires no authentication": [set(CACHE, { userGroupId: undefined }), add(REPLICATION_GROUP, {})],
    "this user requires no password": [
      set(USER, { authenticationMode: { type: "no-password-required" } }),
      add(USER, { accessString: "on nopass ~* +@all" }),
    ],
    valid: [unchanged, add(REPLICATION_GROUP, { authToken: "a token" })],
  },
  LISTENERS: {
    "it has no security policy, so it accepts TLS 1.0": [set(LISTENER, { protocol: "HTTPS" })],
    "its security policy is ELBSecurityPolicy-2016-08": [
      set(LISTENER, { protocol: "HTTPS", sslPolicy: "ELBSecurityPolicy-2016-08" }),
    ],
    "it forwards requests without TLS": [set(LISTENER, { defaultActions: [{ type: "forward" }] })],
    valid: [
      unchanged,
      set(LISTENER, { defaultActions: [{ type: "redirect" }] }),
      set(LISTENER, {
        protocol: "HTTPS",
        sslPolicy: "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09",
        defaultActions: [{ type: "forward" }],
      }),
    ],
  },
  CERTIFICATES: {
    "it is not validated by DNS": [
      add(CERTIFICATE, { domainName: "ws.example.com" }),
      add(CERTIFICATE, { validationMethod: "EMAIL" }),
    ],
    "it is imported": [add(CERTIFICATE, { privateKey: "key", certificateBody: "body" })],
    valid: [unchanged, add(CERTIFICATE, { validationMethod: "DNS" })],
  },
  TIMEOUTS: {
    "`idleTimeoutSeconds`: got 20; expected more than heartbeatSeconds (30)": [
      set(LOAD_BALANCER, { idleTimeout: 20 }),
    ],
    // The default of AWS is 60 seconds.
    "`idleTimeoutSeconds`: got 60; expected more than heartbeatSeconds (90)": [
      bothOf(set(LOAD_BALANCER, { idleTimeout: undefined }), variable("WEBSOCKET_HEARTBEAT_SECONDS", "90")),
    ],
    "`stopTimeoutSeconds`: got 20; expected more than 4 above drainSeconds (20)": [
      container({ stopTimeout: 20 }),
    ],
    "`heartbeatSeconds`: got 600; expected less than CloudFront's idle limit (600)": [
      bothOf(set(LOAD_BALANCER, { idleTimeout: 4000 }), variable("WEBSOCKET_HEARTBEAT_SECONDS", "600")),
    ],
    valid: [unchanged, container({ environment: [] })],
  },
  HEALTH: {
    "its grace period of 30 s ends before target group websocket reports an unhealthy task, after 30 s": [
      set(SERVICE, { healthCheckGracePeriodSeconds: 30 }),
    ],
    "its grace period of 0 s ends before target group websocket reports an unhealthy task, after 30 s": [
      set(SERVICE, { healthCheckGracePeriodSeconds: undefined }),
    ],
    "its grace period of 60 s ends before target group websocket reports a healthy task, after 100 s": [
      healthCheck({ interval: 10, healthyThreshold: 10 }),
    ],
    valid: [unchanged],
  },
  CHECKS: {
    "its matcher 200-499 accepts error responses": [healthCheck({ matcher: "200-499" })],
    "its matcher 200,404 accepts error responses": [healthCheck({ matcher: "200,404" })],
    "its matcher 499 accepts error responses": [healthCheck({ matcher: "499" })],
    valid: [unchanged, healthCheck(undefined), healthCheck({ matcher: "200-299,204" })],
  },
  LIMITS: {
    [`\`idleTimeout\`: got 4001; expected a whole number from 1 to 4000 (${[
      "https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/",
      "API_LoadBalancerAttribute.html",
    ].join("")})`]: [set(LOAD_BALANCER, { idleTimeout: 4001 })],
    valid: [unchanged],
  },
};

/** Declared types without a rule of their own. LIMITS is not counted, because it only compares values that are declared. */
const TYPES_WITHOUT_RULE = [
  SCALING_POLICY, // SCALING
  LOG_DELIVERY, // CFR3
  "aws:cloudwatch/logDeliveryDestination:LogDeliveryDestination",
  LOG_SOURCE, // CFR3
  "aws:cloudwatch/logGroup:LogGroup",
  "aws:cloudwatch/metricAlarm:MetricAlarm",
  FLOW_LOG, // VPC7
  "aws:ecr/lifecyclePolicy:LifecyclePolicy",
  "aws:elasticache/userGroup:UserGroup", // AEC6
  "aws:lb/listenerRule:ListenerRule",
  "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
  "aws:s3/bucketOwnershipControls:BucketOwnershipControls",
  PUBLIC_BLOCK, // S2
  "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
  "aws:ssm/parameter:Parameter",
  "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
];

describe("the policy rules", () => {
  let declared: Stack;

  before(async () => {
    declared = toStack(await declaredGraph("dev"));
  });

  it("have examples each", () => {
    assert.deepEqual(
      Object.keys(EXAMPLES),
      rules.map(({ id }) => id),
    );
  });

  for (const rule of rules) {
    const faultsAfter = (change: Change): readonly string[] =>
      evaluateRules(change(declared), [rule], []).findings.map(({ fault }) => fault);

    for (const [fault, changes] of Object.entries(EXAMPLES[rule.id] ?? {})) {
      it(fault === "valid" ? `${rule.id} accepts a valid stack` : `${rule.id} reports: ${fault}`, () => {
        for (const change of changes) {
          const faults = faultsAfter(change);
          // evaluation.test.ts reports the faults of the stack itself.
          const present = faultsAfter((stack) => stack);
          if (fault === "valid")
            assert.deepEqual(
              faults.filter((each) => !present.includes(each)),
              [],
            );
          else assert.ok(faults.includes(fault), JSON.stringify(faults));
        }
      });
    }
  }

  it("check types that the provider has", () => {
    for (const type of rules.flatMap((rule) => rule.types)) assert.equal(sdkTypeOf(type), type);
  });

  it("check every declared type, except those that need no rule", () => {
    const types = new Set(declared.map(({ type }) => type).filter((type) => type.startsWith("aws:")));
    const checked = new Set(rules.filter(({ id }) => id !== "LIMITS").flatMap((rule) => rule.types));
    assert.deepEqual([...types].filter((type) => !checked.has(type)).sort(), TYPES_WITHOUT_RULE);
  });
});

/** A bucket policy that denies HTTP, with changes to its statement and to the bucket. */
function denyHttp(statement: Values, bucket: Values = {}): Change {
  return (stack) => {
    const changed = set(BUCKET, { arn: "arn:aws:s3:::logs", bucket: "logs", ...bucket })(stack);
    return set(BUCKET_POLICY, {
      policy: policyDocument({ ...DENY_HTTP, ...statement }),
      bucket: changed.find(({ type }) => type === BUCKET)?.properties["id"],
    })(changed);
  };
}

/** The token with which the AWS SDK registers a type such as `aws:s3/bucket:Bucket`. */
function sdkTypeOf(token: string): unknown {
  const [, module = "", kind = ""] = /^aws:(\w+)\/\w+:(\w+)$/.exec(token) ?? [];
  // A module of the SDK exports its classes by name.
  const classes = (aws as unknown as Record<string, Record<string, { __pulumiType?: string }>>)[module];
  return classes?.[kind]?.__pulumiType;
}
