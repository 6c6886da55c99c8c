/** Every rule on the declared stack, changed so that it must find something, and so that it must not. */
import assert from "node:assert/strict";
import * as aws from "@pulumi/aws";
import { stackOf } from "../../policy/declared.ts";
import type { Stack } from "../../policy/rule.ts";
import { rules } from "../../policy/rules.ts";
import { UNKNOWN } from "../../policy/values.ts";
import type { Values } from "../../policy/values.ts";
import { judge } from "../../policy/verdict.ts";
import { declaredGraph } from "../support/stacks.ts";
import { asDeclared, container, plus, policyDocument, set, variable, without } from "./changes.ts";
import type { Change } from "./changes.ts";

const BUCKET = "aws:s3/bucket:Bucket";
const BUCKET_POLICY = "aws:s3/bucketPolicy:BucketPolicy";
const CACHE = "aws:elasticache/serverlessCache:ServerlessCache";
const CERTIFICATE = "aws:acm/certificate:Certificate";
const CLUSTER = "aws:elasticache/cluster:Cluster";
const DISTRIBUTION = "aws:cloudfront/distribution:Distribution";
const INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule";
const LISTENER = "aws:lb/listener:Listener";
const LOAD_BALANCER = "aws:lb/loadBalancer:LoadBalancer";
const REPLICATION_GROUP = "aws:elasticache/replicationGroup:ReplicationGroup";
const REPOSITORY = "aws:ecr/repository:Repository";
const REPOSITORY_POLICY = "aws:ecr/repositoryPolicy:RepositoryPolicy";
const ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy";
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

interface Examples {
  /** What must be found, by the change that brings it. */
  readonly fires: readonly (readonly [change: Change, resource: string, fault: string])[];
  /** Changes after which nothing may be found. */
  readonly silent: readonly Change[];
}

const EXAMPLES: Readonly<Record<string, Examples>> = {
  CFR1: {
    fires: [
      [asDeclared, "edge", "every country is served"],
      [set(DISTRIBUTION, { restrictions: undefined }), "edge", "every country is served"],
    ],
    silent: [
      set(DISTRIBUTION, {
        restrictions: { geoRestriction: { restrictionType: "whitelist", locations: ["DE"] } },
      }),
    ],
  },
  CFR2: {
    fires: [[asDeclared, "edge", "there is no web ACL"]],
    silent: [set(DISTRIBUTION, { webAclId: "arn:aws:wafv2:us-east-1:123456789012:global/webacl/one" })],
  },
  CFR3: {
    fires: [
      [without("aws:cloudwatch/logDelivery:LogDelivery"), "edge", "its access logs are delivered nowhere"],
      [
        set("aws:cloudwatch/logDeliverySource:LogDeliverySource", {
          resourceArn: "arn:aws:cloudfront::1:other",
        }),
        "edge",
        "its access logs are delivered nowhere",
      ],
    ],
    silent: [asDeclared, set(DISTRIBUTION, { loggingConfig: { bucket: "logs" } })],
  },
  CFR4: {
    fires: [
      [asDeclared, "edge", "viewers may use TLS 1.0, as CloudFront's own certificate lets them"],
      [
        set(DISTRIBUTION, {
          viewerCertificate: { acmCertificateArn: "arn", minimumProtocolVersion: "TLSv1.1_2016" },
        }),
        "edge",
        "viewers may use TLSv1.1_2016",
      ],
      [
        set(DISTRIBUTION, { viewerCertificate: { acmCertificateArn: "arn" } }),
        "edge",
        "viewers may use TLSv1",
      ],
      [
        set(DISTRIBUTION, {
          orderedCacheBehaviors: [{ pathPattern: "/x", viewerProtocolPolicy: "allow-all" }],
        }),
        "edge",
        "viewers may do without TLS at /x",
      ],
    ],
    silent: [
      set(DISTRIBUTION, {
        viewerCertificate: { acmCertificateArn: "arn", minimumProtocolVersion: "TLSv1.2_2021" },
      }),
    ],
  },
  CFR5: {
    fires: [
      [asDeclared, "edge", "origin load-balancer is reached by http-only"],
      [
        plus(VPC_ORIGIN, { vpcOriginEndpointConfig: { originProtocolPolicy: "http-only" } }),
        "added",
        "it is reached by http-only",
      ],
      [
        plus(VPC_ORIGIN, {
          vpcOriginEndpointConfig: {
            originProtocolPolicy: "https-only",
            originSslProtocols: { items: ["TLSv1"] },
          },
        }),
        "added",
        "it may be reached by TLSv1",
      ],
      [
        set(DISTRIBUTION, {
          origins: [
            {
              originId: "old",
              customOriginConfig: {
                originProtocolPolicy: "https-only",
                originSslProtocols: ["TLSv1.2", "SSLv3"],
              },
            },
          ],
        }),
        "edge",
        "origin old may be reached by SSLv3",
      ],
    ],
    silent: [
      set(DISTRIBUTION, {
        origins: [
          { originId: "bucket" },
          {
            originId: "one",
            customOriginConfig: { originProtocolPolicy: "https-only", originSslProtocols: ["TLSv1.2"] },
          },
        ],
      }),
    ],
  },
  ELB2: {
    fires: [
      [set(LOAD_BALANCER, { accessLogs: { bucket: "logs" } }), "websocket", "access logs are off"],
      [set(LOAD_BALANCER, { accessLogs: undefined }), "websocket", "access logs are off"],
    ],
    silent: [asDeclared],
  },
  VPC3: {
    fires: [
      [plus("aws:ec2/networkAcl:NetworkAcl", {}), "added", "it is a network ACL"],
      [plus("aws:ec2/networkAclRule:NetworkAclRule", {}), "added", "it is a network ACL"],
    ],
    silent: [asDeclared],
  },
  VPC7: {
    fires: [
      [without("aws:ec2/flowLog:FlowLog"), "network", "it has no flow log"],
      [plus("aws:ec2/vpc:Vpc", { id: "vpc-other" }), "added", "it has no flow log"],
      [
        set("aws:ec2/flowLog:FlowLog", { trafficType: "REJECT" }),
        "network",
        "no flow log of it has all traffic, accepted and rejected",
      ],
    ],
    silent: [asDeclared],
  },
  EC23: {
    fires: [
      [
        plus(INGRESS, { cidrIpv4: "0.0.0.0/0", fromPort: 22, toPort: 22 }),
        "added",
        "0.0.0.0/0 may reach port 22",
      ],
      // Half the world is as good.
      [plus(INGRESS, { cidrIpv4: "0.0.0.0/1" }), "added", "0.0.0.0/1 may reach every port"],
      [plus(INGRESS, { cidrIpv4: "128.0.0.0/7" }), "added", "128.0.0.0/7 may reach every port"],
      [plus(INGRESS, { cidrIpv6: "0::0/0" }), "added", "0::0/0 may reach every port"],
      [plus(INGRESS, { cidrIpv6: "::/0", ipProtocol: "-1" }), "added", "::/0 may reach every port"],
      [
        set(SECURITY_GROUP, {
          ingress: [{ cidrBlocks: ["10.0.0.0/8", "0.0.0.0/0"], fromPort: 1, toPort: 9 }],
        }),
        "network-tasks",
        "0.0.0.0/0 may reach port 1 to 9",
      ],
      [
        set("aws:ec2/defaultSecurityGroup:DefaultSecurityGroup", { ingress: [{ ipv6CidrBlocks: ["::/0"] }] }),
        "network-default",
        "::/0 may reach every port",
      ],
      [
        plus("aws:ec2/securityGroupRule:SecurityGroupRule", { type: "ingress", cidrBlocks: ["0.0.0.0/0"] }),
        "added",
        "0.0.0.0/0 may reach every port",
      ],
    ],
    silent: [
      asDeclared,
      plus(INGRESS, { cidrIpv4: "10.0.0.0/8" }),
      plus("aws:ec2/securityGroupRule:SecurityGroupRule", { type: "egress", cidrBlocks: ["0.0.0.0/0"] }),
    ],
  },
  EC27: {
    fires: [
      [plus(SECURITY_GROUP, {}), "added", "it has no description"],
      [plus(SECURITY_GROUP, { description: "Managed by Pulumi" }), "added", "it has no description"],
    ],
    silent: [asDeclared],
  },
  HEADERS: {
    fires: [
      [
        set(LOAD_BALANCER, { dropInvalidHeaderFields: false }),
        "websocket",
        "its targets get header fields with invalid names",
      ],
      [plus(LOAD_BALANCER, {}), "added", "its targets get header fields with invalid names"],
    ],
    silent: [asDeclared, plus(LOAD_BALANCER, { loadBalancerType: "network" })],
  },
  ECS2: {
    fires: [
      [
        variable("WEBSOCKET_VALKEY_PASSWORD", "correct horse"),
        "websocket-service",
        "WEBSOCKET_VALKEY_PASSWORD of container websocket-service is in plain text",
      ],
      [
        variable("WEBSOCKET_VALKEY_URL", "rediss://user:correct-horse@cache:6379"),
        "websocket-service",
        "WEBSOCKET_VALKEY_URL of container websocket-service is in plain text",
      ],
      ...["DB_PASS", "VALKEY_AUTH", "PWD_OF_VALKEY", "pass"].map(
        (name) =>
          [
            variable(name, "correct horse"),
            "websocket-service",
            `${name} of container websocket-service is in plain text`,
          ] as const,
      ),
      [
        variable("INNOCENT", "AKIAIOSFODNN7EXAMPLE"),
        "websocket-service",
        "INNOCENT of container websocket-service is in plain text",
      ],
    ],
    silent: [asDeclared, variable("TOKEN", ""), variable("COMPASS", "north"), variable("AUTHOR", "me")],
  },
  ECS4: {
    fires: [
      [
        set("aws:ecs/cluster:Cluster", { settings: undefined }),
        "websocket-service",
        "Container Insights are off",
      ],
      [
        set("aws:ecs/cluster:Cluster", { settings: [{ name: "containerInsights", value: "disabled" }] }),
        "websocket-service",
        "Container Insights are off",
      ],
    ],
    silent: [
      asDeclared,
      set("aws:ecs/cluster:Cluster", { settings: [{ name: "containerInsights", value: "enabled" }] }),
    ],
  },
  ECS7: {
    fires: [
      [
        container({ logConfiguration: undefined }),
        "websocket-service",
        "container websocket-service has no log driver",
      ],
      [
        container({ logConfiguration: { logDriver: "none" } }),
        "websocket-service",
        "container websocket-service has no log driver",
      ],
    ],
    silent: [asDeclared],
  },
  LOGGING: {
    fires: [{ mode: "blocking" }, {}].map((options) => [
      container({ logConfiguration: { logDriver: "awslogs", options } }),
      "websocket-service",
      "container websocket-service may wait until its log is written",
    ]),
    silent: [asDeclared, container({ logConfiguration: { logDriver: "awsfirelens" } })],
  },
  DEPLOYMENTS: {
    fires: [
      [
        set(SERVICE, { deploymentCircuitBreaker: undefined }),
        "websocket-service",
        "its circuit breaker is off",
      ],
      [
        set(SERVICE, { deploymentCircuitBreaker: { enable: false, rollback: true } }),
        "websocket-service",
        "its circuit breaker is off",
      ],
      [
        set(SERVICE, { deploymentCircuitBreaker: { enable: true, rollback: false } }),
        "websocket-service",
        "a failed deployment is not rolled back",
      ],
      [
        set(SERVICE, { deploymentMinimumHealthyPercent: 0 }),
        "websocket-service",
        "a deployment may stop tasks before it starts others",
      ],
    ],
    silent: [
      asDeclared,
      set(SERVICE, { deploymentMinimumHealthyPercent: 0, deploymentMaximumPercent: 100 }),
      set(SERVICE, { deploymentMinimumHealthyPercent: undefined, deploymentMaximumPercent: undefined }),
      set(SERVICE, { deploymentController: { type: "EXTERNAL" }, deploymentCircuitBreaker: undefined }),
    ],
  },
  ADDRESSES: {
    fires: [
      [
        set(SERVICE, { networkConfiguration: { assignPublicIp: false } }),
        "websocket-service",
        "its tasks have no public address, and no NAT gateway or VPC endpoint to use",
      ],
    ],
    silent: [
      asDeclared,
      ...["aws:ec2/natGateway:NatGateway", "aws:ec2/vpcEndpoint:VpcEndpoint"].map(
        (way): Change =>
          (stack) =>
            plus(way, {})(set(SERVICE, { networkConfiguration: undefined })(stack)),
      ),
    ],
  },
  IAM4: {
    fires: [
      [
        plus("aws:iam/rolePolicyAttachment:RolePolicyAttachment", {
          policyArn: "arn:aws-cn:iam::aws:policy/AdministratorAccess",
        }),
        "added",
        "it has AdministratorAccess",
      ],
      [
        set("aws:iam/role:Role", { managedPolicyArns: ["arn:aws:iam::aws:policy/service-role/One"] }),
        "websocket-service-task-role",
        "it has service-role/One",
      ],
    ],
    silent: [
      asDeclared,
      plus("aws:iam/rolePolicyAttachment:RolePolicyAttachment", {
        policyArn: "arn:aws:iam::123456789012:policy/own",
      }),
    ],
  },
  IAM5: {
    fires: [
      [asDeclared, "websocket-service-task-policy", "ssmmessages:OpenDataChannel on every resource"],
      [asDeclared, "websocket-service-execution-policy", "logs:PutLogEvents on all that one resource holds"],
      [
        set(ROLE_POLICY, { policy: policyDocument({ ...ALLOW, Action: ["s3:*"] }) }),
        "websocket-service-task-policy",
        "s3:* is a wildcard",
      ],
      // Other wildcards than the one that is let stand.
      ...[
        "arn:aws:logs:*:*:*",
        "arn:aws:logs:us-east-1:123456789012:log-group:*:*",
        "arn:aws:s3:::one/*",
      ].map(
        (Resource) =>
          [
            set(ROLE_POLICY, { policy: policyDocument({ ...ALLOW, Resource }) }),
            "websocket-service-task-policy",
            "s3:GetObject on resources by a wildcard",
          ] as const,
      ),
      [
        set(ROLE_POLICY, {
          policy: policyDocument({ Effect: "Allow", NotAction: ["iam:*"], Resource: "arn:one" }),
        }),
        "websocket-service-task-policy",
        "everything but iam:* is a wildcard",
      ],
      [
        set(ROLE_POLICY, {
          policy: policyDocument({ Effect: "Allow", Action: "s3:GetObject", NotResource: "arn:one" }),
        }),
        "websocket-service-task-policy",
        "s3:GetObject on everything but some resources",
      ],
      [
        plus("aws:iam/role:Role", {
          inlinePolicies: [{ policy: policyDocument({ ...ALLOW, Resource: "*" }) }],
        }),
        "added",
        "s3:GetObject on every resource",
      ],
    ],
    silent: [
      set(ROLE_POLICY, { policy: policyDocument(ALLOW) }),
      set(ROLE_POLICY, { policy: policyDocument({ Effect: "Deny", Action: "*", Resource: "*" }) }),
    ],
  },
  S1: {
    fires: [
      [asDeclared, "logs-bucket", "requests to it are not logged"],
      [
        plus("aws:s3/bucketLogging:BucketLogging", { bucket: "other" }),
        "logs-bucket",
        "requests to it are not logged",
      ],
    ],
    silent: [
      set(BUCKET, { logging: { targetBucket: "other", targetPrefix: "" } }),
      (stack) => plus("aws:s3/bucketLogging:BucketLogging", { bucket: nameOfBucket(stack) })(stack),
    ],
  },
  S2: {
    fires: [
      [
        set("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", { ignorePublicAcls: false }),
        "logs-bucket",
        "ignorePublicAcls is off",
      ],
      [
        without("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"),
        "logs-bucket",
        "restrictPublicBuckets is off",
      ],
    ],
    silent: [asDeclared],
  },
  S10: {
    fires: [
      [without("aws:s3/bucketPolicy:BucketPolicy"), "logs-bucket", "it takes requests without TLS"],
      [
        set("aws:s3/bucketPolicy:BucketPolicy", {
          policy: policyDocument({ ...DENY_HTTP, Effect: "Allow" }),
        }),
        "logs-bucket",
        "it takes requests without TLS",
      ],
      [
        set("aws:s3/bucketPolicy:BucketPolicy", {
          policy: policyDocument({ ...DENY_HTTP, Resource: "arn:aws:s3:::logs" }),
        }),
        "logs-bucket",
        "it takes requests without TLS",
      ],
      // Of another bucket.
      [denyingHttp({}, { arn: "arn:aws:s3:::other" }), "logs-bucket", "it takes requests without TLS"],
      [denyingHttp({}, { arn: UNKNOWN, bucket: "other" }), "logs-bucket", "it takes requests without TLS"],
      // Only of somebody.
      [
        denyingHttp({
          Condition: { ...DENY_HTTP.Condition, StringEquals: { "aws:PrincipalArn": "nobody" } },
        }),
        "logs-bucket",
        "it takes requests without TLS",
      ],
      [
        denyingHttp({ Condition: { Bool: { "aws:SecureTransport": "true" } } }),
        "logs-bucket",
        "it takes requests without TLS",
      ],
    ],
    silent: [
      asDeclared,
      denyingHttp({}),
      denyingHttp({ Principal: { AWS: "*" } }),
      denyingHttp({ Resource: "*" }),
      denyingHttp({}, { arn: UNKNOWN }),
      denyingHttp({}, { arn: UNKNOWN, bucket: UNKNOWN }),
    ],
  },
  ECR1: {
    fires: [
      [plus("aws:ecrpublic/repository:Repository", {}), "added", "it is public"],
      [
        plus(REPOSITORY_POLICY, {
          policy: policyDocument({ Effect: "Allow", Principal: "*", Action: ["ecr:BatchGetImage"] }),
        }),
        "added",
        "everyone may ecr:BatchGetImage",
      ],
    ],
    silent: [
      asDeclared,
      plus(REPOSITORY_POLICY, {
        policy: policyDocument({
          Effect: "Allow",
          Principal: { AWS: "arn:aws:iam::123456789012:root" },
          Action: "ecr:BatchGetImage",
        }),
      }),
    ],
  },
  PUBLIC: {
    fires: [{ Principal: "*" }, { Principal: { AWS: ["*"] } }, { NotPrincipal: { AWS: "123456789012" } }].map(
      (principal) => [
        set(BUCKET_POLICY, { policy: policyDocument({ ...ALLOW, ...principal }) }),
        "logs-policy",
        "everyone may s3:GetObject",
      ],
    ),
    silent: [
      asDeclared,
      set(BUCKET_POLICY, { policy: policyDocument({ ...ALLOW, Principal: { AWS: "1" } }) }),
    ],
  },
  IMAGES: {
    fires: [
      [
        set(REPOSITORY, { imageTagMutability: "MUTABLE" }),
        "websocket-service",
        "its tags can be moved to other images",
      ],
      [plus(REPOSITORY, {}), "added", "its tags can be moved to other images"],
      [
        set(REPOSITORY, { imageScanningConfiguration: { scanOnPush: false } }),
        "websocket-service",
        "its images are not scanned",
      ],
    ],
    silent: [asDeclared, set(REPOSITORY, { imageTagMutability: "IMMUTABLE_WITH_EXCLUSION" })],
  },
  AEC3: {
    fires: [
      [plus(REPLICATION_GROUP, { atRestEncryptionEnabled: true }), "added", "it speaks without TLS"],
      [plus(REPLICATION_GROUP, { transitEncryptionEnabled: true }), "added", "it holds plain text"],
      [plus(CLUSTER, { transitEncryptionEnabled: true }), "added", "it holds plain text"],
    ],
    silent: [
      asDeclared,
      plus(REPLICATION_GROUP, { atRestEncryptionEnabled: true, transitEncryptionEnabled: true }),
      // The provider's own type for this one property is a text.
      plus(REPLICATION_GROUP, { atRestEncryptionEnabled: "true", transitEncryptionEnabled: true }),
      plus(CLUSTER, { replicationGroupId: "group", transitEncryptionEnabled: true }),
    ],
  },
  AEC4: {
    fires: [
      [set(CACHE, { subnetIds: ["subnet-1"] }), "backplane", "it lives in one availability zone"],
      [plus(REPLICATION_GROUP, {}), "added", "it lives in one availability zone"],
    ],
    silent: [asDeclared, plus(REPLICATION_GROUP, { multiAzEnabled: true })],
  },
  AEC5: {
    fires: [
      [asDeclared, "backplane", "it answers at its default port"],
      [plus(REPLICATION_GROUP, { port: 6379 }), "added", "it answers at its default port"],
    ],
    silent: [(stack) => plus(REPLICATION_GROUP, { port: 7000 })(without(CACHE)(stack))],
  },
  AEC6: {
    fires: [
      [set(CACHE, { userGroupId: undefined }), "backplane", "whoever reaches it is admitted"],
      [plus(REPLICATION_GROUP, {}), "added", "whoever reaches it is admitted"],
      [
        set(USER, { authenticationMode: { type: "no-password-required" } }),
        "backplane-tasks",
        "this user needs no password",
      ],
      [plus(USER, { accessString: "on nopass ~* +@all" }), "added", "this user needs no password"],
    ],
    silent: [asDeclared, plus(REPLICATION_GROUP, { authToken: "a token" })],
  },
  LISTENERS: {
    fires: [
      [
        set(LISTENER, { protocol: "HTTPS" }),
        "websocket-http",
        "it has no security policy, and takes TLS 1.0",
      ],
      [
        set(LISTENER, { protocol: "HTTPS", sslPolicy: "ELBSecurityPolicy-2016-08" }),
        "websocket-http",
        "its security policy is ELBSecurityPolicy-2016-08",
      ],
      [
        set(LISTENER, { defaultActions: [{ type: "forward" }] }),
        "websocket-http",
        "it forwards what comes without TLS",
      ],
    ],
    silent: [
      asDeclared,
      set(LISTENER, { defaultActions: [{ type: "redirect" }] }),
      set(LISTENER, {
        protocol: "HTTPS",
        sslPolicy: "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09",
        defaultActions: [{ type: "forward" }],
      }),
    ],
  },
  CERTIFICATES: {
    fires: [
      [plus(CERTIFICATE, { domainName: "ws.example.com" }), "added", "it is not validated by DNS"],
      [plus(CERTIFICATE, { validationMethod: "EMAIL" }), "added", "it is not validated by DNS"],
      [plus(CERTIFICATE, { privateKey: "key", certificateBody: "body" }), "added", "it is imported"],
    ],
    silent: [asDeclared, plus(CERTIFICATE, { validationMethod: "DNS" })],
  },
  TIMEOUTS: {
    fires: [
      [
        set(LOAD_BALANCER, { idleTimeout: 20 }),
        "websocket-service",
        "`idleTimeoutSeconds`: got 20; expected more than heartbeatSeconds (30)",
      ],
      // AWS cuts after a minute where nobody says anything else.
      [
        (stack) =>
          set(LOAD_BALANCER, { idleTimeout: undefined })(
            variable("WEBSOCKET_HEARTBEAT_SECONDS", "90")(stack),
          ),
        "websocket-service",
        "`idleTimeoutSeconds`: got 60; expected more than heartbeatSeconds (90)",
      ],
      [
        container({ stopTimeout: 20 }),
        "websocket-service",
        "`stopTimeoutSeconds`: got 20; expected more than 4 above drainSeconds (20)",
      ],
      [
        (stack) =>
          set(LOAD_BALANCER, { idleTimeout: 4000 })(variable("WEBSOCKET_HEARTBEAT_SECONDS", "600")(stack)),
        "websocket-service",
        "`heartbeatSeconds`: got 600; expected less than CloudFront's idle limit (600)",
      ],
    ],
    silent: [asDeclared, container({ environment: [] })],
  },
  HEALTH: {
    fires: [
      [
        set(SERVICE, { healthCheckGracePeriodSeconds: 30 }),
        "websocket-service",
        "its grace of 30 s is over when target group websocket has failed it, after 30 s",
      ],
      [
        set(SERVICE, { healthCheckGracePeriodSeconds: undefined }),
        "websocket-service",
        "its grace of 0 s is over when target group websocket has failed it, after 30 s",
      ],
      [
        set(TARGET_GROUP, { healthCheck: { interval: 10, healthyThreshold: 10 } }),
        "websocket-service",
        "its grace of 60 s is over when target group websocket has passed it, after 100 s",
      ],
    ],
    silent: [asDeclared],
  },
  CHECKS: {
    fires: ["200-499", "200,404", "499"].map((matcher) => [
      set(TARGET_GROUP, { healthCheck: { matcher } }),
      "websocket",
      `it takes ${matcher} for healthy`,
    ]),
    silent: [
      asDeclared,
      set(TARGET_GROUP, { healthCheck: undefined }),
      set(TARGET_GROUP, { healthCheck: { matcher: "200-299,204" } }),
    ],
  },
  LIMITS: {
    fires: [
      [
        set(LOAD_BALANCER, { idleTimeout: 4001 }),
        "websocket",
        "`idleTimeout`: got 4001; expected a whole number from 1 to 4000 " +
          "(https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_LoadBalancerAttribute.html)",
      ],
    ],
    silent: [asDeclared],
  },
};

/** Types of which AwsSolutions demands nothing, or something of another type that is named here. */
const NOTHING_DEMANDED = [
  "aws:appautoscaling/policy:Policy",
  "aws:appautoscaling/target:Target",
  // CFR3 looks at them, for the distribution.
  "aws:cloudwatch/logDelivery:LogDelivery",
  "aws:cloudwatch/logDeliveryDestination:LogDeliveryDestination",
  "aws:cloudwatch/logDeliverySource:LogDeliverySource",
  "aws:cloudwatch/logGroup:LogGroup",
  "aws:cloudwatch/metricAlarm:MetricAlarm",
  // VPC7, for the network.
  "aws:ec2/flowLog:FlowLog",
  "aws:ecr/lifecyclePolicy:LifecyclePolicy",
  // AEC6, for the cache, and its users themselves.
  "aws:elasticache/userGroup:UserGroup",
  "aws:lb/listenerRule:ListenerRule",
  "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
  "aws:s3/bucketOwnershipControls:BucketOwnershipControls",
  // S2, for the bucket.
  "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
  "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
  "aws:ssm/parameter:Parameter",
  "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
];

describe("the rules", () => {
  let declared: Stack;

  before(async () => {
    declared = stackOf(await declaredGraph("dev"));
  });

  it("have an example each", () => {
    assert.deepEqual(
      Object.keys(EXAMPLES),
      rules.map(({ id }) => id),
    );
  });

  for (const rule of rules) {
    const { fires, silent } = EXAMPLES[rule.id] ?? { fires: [], silent: [] };

    describe(rule.id, () => {
      for (const [index, [change, name, fault]] of fires.entries()) {
        it(`finds at ${name} that ${fault} (${index + 1})`, () => {
          const found = judge(change(declared), [rule], []).findings.map(({ resource, fault: one }) => [
            resource.name,
            one,
          ]);
          assert.ok(
            found.some(([resource, one]) => resource === name && one === fault),
            JSON.stringify(found),
          );
        });
      }

      for (const [index, change] of silent.entries()) {
        it(`finds nothing where all is well (${index + 1})`, () => {
          assert.deepEqual(
            judge(change(declared), [rule], []).findings.map(({ fault }) => fault),
            [],
          );
        });
      }

      it("looks at types that the provider has", () => {
        for (const type of rule.types) assert.equal(typeTokenInSdk(type), type);
      });
    });
  }

  it("look at every type that the program declares, or are known to demand nothing of it", () => {
    const types = new Set(declared.map(({ type }) => type).filter((type) => type.startsWith("aws:")));
    // LIMITS only compares values that are declared.
    const looked = new Set(rules.filter(({ id }) => id !== "LIMITS").flatMap((rule) => rule.types));
    assert.deepEqual([...types].filter((type) => !looked.has(type)).sort(), NOTHING_DEMANDED);
  });
});

/** The bucket refuses plain HTTP, with these properties of the statement and of the bucket over those that are right. */
function denyingHttp(statement: Values, bucket: Values = {}): Change {
  return (stack) => {
    const policy = policyDocument({ ...DENY_HTTP, ...statement });
    const named = set(BUCKET, { arn: "arn:aws:s3:::logs", bucket: "logs", ...bucket })(stack);
    return set("aws:s3/bucketPolicy:BucketPolicy", {
      policy,
      bucket: named.find(({ type }) => type === BUCKET)?.properties["id"],
    })(named);
  };
}

function nameOfBucket(stack: Stack): unknown {
  return stack.find(({ type }) => type === BUCKET)?.properties["bucket"];
}

/** The token by which the SDK of AWS registers what a token such as `aws:s3/bucket:Bucket` speaks of. */
function typeTokenInSdk(token: string): unknown {
  const [, module = "", kind = ""] = /^aws:(\w+)\/\w+:(\w+)$/.exec(token) ?? [];
  // A module of the SDK has its classes by name.
  const classes = (aws as unknown as Record<string, Record<string, { __pulumiType?: string }>>)[module];
  return classes?.[kind]?.__pulumiType;
}
