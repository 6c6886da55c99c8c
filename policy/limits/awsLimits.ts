/** Limits of AWS on the properties that this project declares, by resource type. */
import { memoryChoices } from "../../infra/config/data/fargateSizes.ts";
import { valueAt } from "../values.ts";
import { custom, items, length, oneOf, pattern, range } from "./limit.ts";
import type { Limit } from "./limit.ts";

/** A limit on one property. */
export interface AwsLimit extends Limit {
  /** Type token, such as `aws:lb/loadBalancer:LoadBalancer`. */
  readonly type: string;
  /** Path of the property. `[]` stands for all items of a list, and JSON in a string is parsed. */
  readonly path: string;
  /** Page of the AWS documentation. */
  readonly source: string;
}

/** A limit, and the section and page of the AWS documentation that state it. */
type Row = readonly [limit: Limit, section: string, page: string];

const ACM = "https://docs.aws.amazon.com/acm/latest/APIReference/API_";
const AUTOSCALING = "https://docs.aws.amazon.com/autoscaling/application/APIReference/API_";
const CLOUDFRONT = "https://docs.aws.amazon.com/cloudfront/latest/APIReference/API_";
const CLOUDFRONT_GUIDE = "https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/";
const CLOUDWATCH_LOGS = "https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_";
const EC2 = "https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_";
const ECS = "https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_";
const ECS_GUIDE = "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/";
const ELASTICACHE = "https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_";
const ELB = "https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_";
const ELB_GUIDE = "https://docs.aws.amazon.com/elasticloadbalancing/latest/application/";
const IAM = "https://docs.aws.amazon.com/IAM/latest/APIReference/API_";
const ROUTE_53 = "https://docs.aws.amazon.com/Route53/latest/APIReference/API_";
const S3 = "https://docs.aws.amazon.com/AmazonS3/latest/API/API_";
const SSM = "https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_";

const PORT = range(1, 65_535);

const SECURITY_GROUP_DESCRIPTION = pattern(
  /^[a-zA-Z0-9. _\-:/()#,@[\]+=&;{}!$*]{0,255}$/,
  "at most 255 of the characters a-z, A-Z, 0-9, spaces and ._-:/()#,@[]+=&;{}!$*",
  "CloudFront’s requests",
);

const SECURITY_GROUP_RULE: Readonly<Record<string, Row>> = {
  description: [SECURITY_GROUP_DESCRIPTION, EC2, "IpPermission"],
  fromPort: [range(-1, 65_535), EC2, "IpPermission"],
  toPort: [range(-1, 65_535), EC2, "IpPermission"],
};

/** Retention periods in days; 0 keeps log events forever. */
const RETENTION_DAYS = [
  ...[0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731],
  ...[1096, 1827, 2192, 2557, 2922, 3288, 3653],
];

const TARGET_TRACKING = "TargetTrackingScalingPolicyConfiguration";

const TABLE: Readonly<Record<string, Readonly<Record<string, Row>>>> = {
  "aws:acm/certificate:Certificate": {
    domainName: [length(1, 253), ACM, "RequestCertificate"],
    validationMethod: [oneOf("DNS", "EMAIL", "HTTP"), ACM, "RequestCertificate"],
  },
  "aws:appautoscaling/policy:Policy": {
    "targetTrackingScalingPolicyConfiguration.targetValue": [
      custom("a number above 0", (value) => Number(value) > 0, 0),
      AUTOSCALING,
      TARGET_TRACKING,
    ],
    "targetTrackingScalingPolicyConfiguration.customizedMetricSpecification.statistic": [
      oneOf("Average", "Minimum", "Maximum", "SampleCount", "Sum"),
      AUTOSCALING,
      "CustomizedMetricSpecification",
    ],
    "targetTrackingScalingPolicyConfiguration.scaleInCooldown": [range(0), AUTOSCALING, TARGET_TRACKING],
    "targetTrackingScalingPolicyConfiguration.scaleOutCooldown": [range(0), AUTOSCALING, TARGET_TRACKING],
  },
  "aws:appautoscaling/scheduledAction:ScheduledAction": {
    schedule: [
      pattern(
        /^(at|rate|cron)\(.{1,1590}\)$/,
        "an expression at(…), rate(…) or cron(…) of at most 1600 characters",
        "0 8 * * MON",
      ),
      AUTOSCALING,
      "PutScheduledAction",
    ],
    "scalableTargetAction.minCapacity": [
      custom(
        "a whole number from 0 to maxCapacity",
        (value, action) =>
          Number(value) >= 0 &&
          Number(value) <= Number(valueAt(action, "scalableTargetAction.maxCapacity") ?? Infinity),
        -1,
        100_000,
      ),
      AUTOSCALING,
      "ScalableTargetAction",
    ],
    timezone: [length(1, 1600), AUTOSCALING, "PutScheduledAction"],
  },
  "aws:appautoscaling/target:Target": {
    minCapacity: [
      custom(
        "a whole number from 0 to maxCapacity",
        (value, target) =>
          Number(value) >= 0 && Number(value) <= Number(valueAt(target, "maxCapacity") ?? Infinity),
        -1,
        100_000,
      ),
      AUTOSCALING,
      "RegisterScalableTarget",
    ],
  },
  "aws:cloudfront/distribution:Distribution": {
    comment: [length(0, 128), CLOUDFRONT, "DistributionConfig"],
    defaultRootObject: [
      pattern(/^(?!\/).{0,255}$/, "at most 255 characters without a leading slash", "/index.html"),
      CLOUDFRONT,
      "DistributionConfig",
    ],
    priceClass: [
      oneOf("PriceClass_All", "PriceClass_200", "PriceClass_100"),
      CLOUDFRONT,
      "DistributionConfig",
    ],
    httpVersion: [oneOf("http1.1", "http2", "http3", "http2and3"), CLOUDFRONT, "DistributionConfig"],
    aliases: [
      custom(
        "no aliases without a certificate",
        (value, distribution) =>
          Array.isArray(value) &&
          (value.length === 0 || valueAt(distribution, "viewerCertificate.acmCertificateArn") !== undefined),
        "ws.example.com",
      ),
      CLOUDFRONT,
      "DistributionConfig",
    ],
    "defaultCacheBehavior.viewerProtocolPolicy": [
      oneOf("allow-all", "https-only", "redirect-to-https"),
      CLOUDFRONT,
      "DefaultCacheBehavior",
    ],
    "origins[].customOriginConfig.httpPort": [PORT, CLOUDFRONT, "CustomOriginConfig"],
    "origins[].customHeaders[].name": [
      pattern(
        /^(?!(cache-control|connection|content-length|cookie|host|if-.*|max-forwards|pragma|proxy-.*|range|request-range|te|trailer|transfer-encoding|upgrade|via|x-amz-.*|x-edge-.*|x-real-ip)$)[\w-]{1,256}$/i,
        "1 to 256 letters, digits, hyphens and underscores, and no header that CloudFront reserves",
        "X-Amz-Secret",
        "X Secret",
      ),
      CLOUDFRONT_GUIDE,
      "add-origin-custom-headers",
    ],
    "origins[].customHeaders[].value": [length(1, 1783), CLOUDFRONT_GUIDE, "add-origin-custom-headers"],
  },
  "aws:cloudfront/originRequestPolicy:OriginRequestPolicy": {
    name: [length(1, 128), CLOUDFRONT, "OriginRequestPolicyConfig"],
    "headersConfig.headers.items": [items(1, 10), CLOUDFRONT_GUIDE, "cloudfront-limits"],
  },
  "aws:cloudfront/vpcOrigin:VpcOrigin": {
    "vpcOriginEndpointConfig.name": [length(1, 64), CLOUDFRONT, "VpcOriginEndpointConfig"],
    "vpcOriginEndpointConfig.originProtocolPolicy": [
      oneOf("http-only", "https-only", "match-viewer"),
      CLOUDFRONT,
      "VpcOriginEndpointConfig",
    ],
    "vpcOriginEndpointConfig.httpPort": [PORT, CLOUDFRONT, "VpcOriginEndpointConfig"],
  },
  "aws:cloudwatch/logDeliveryDestination:LogDeliveryDestination": {
    name: [length(1, 60), CLOUDWATCH_LOGS, "PutDeliveryDestination"],
  },
  "aws:cloudwatch/logDeliverySource:LogDeliverySource": {
    name: [length(1, 60), CLOUDWATCH_LOGS, "PutDeliverySource"],
  },
  "aws:cloudwatch/logGroup:LogGroup": {
    retentionInDays: [oneOf(...RETENTION_DAYS), CLOUDWATCH_LOGS, "PutRetentionPolicy"],
  },
  "aws:ec2/securityGroup:SecurityGroup": {
    description: [SECURITY_GROUP_DESCRIPTION, EC2, "CreateSecurityGroup"],
  },
  "aws:ecs/cluster:Cluster": {
    "settings[].value": [oneOf("enhanced", "enabled", "disabled"), ECS, "ClusterSetting"],
  },
  "aws:ecs/service:Service": {
    availabilityZoneRebalancing: [
      custom(
        "DISABLED, or ENABLED with a deploymentMaximumPercent above 100",
        (value, service) =>
          value === "DISABLED" ||
          (value === "ENABLED" && valueAt(service, "deploymentMaximumPercent") !== 100),
        "SOMETIMES",
      ),
      ECS,
      "CreateService",
    ],
    healthCheckGracePeriodSeconds: [range(0, 2 ** 31 - 1), ECS, "CreateService"],
    desiredCount: [range(0, 5000), ECS, "CreateService"],
    deploymentMaximumPercent: [
      custom(
        "a whole number from 100 to 200, above deploymentMinimumHealthyPercent",
        (value, service) =>
          range(100, 200).isValid(value, {}) &&
          Number(value) > Number(valueAt(service, "deploymentMinimumHealthyPercent") ?? 0),
        99,
        100,
        201,
      ),
      ECS_GUIDE,
      "service_definition_parameters",
    ],
    deploymentMinimumHealthyPercent: [range(0, 100), ECS_GUIDE, "service_definition_parameters"],
    "loadBalancers[].containerPort": [PORT, ECS_GUIDE, "service_definition_parameters"],
  },
  "aws:ecs/taskDefinition:TaskDefinition": {
    cpu: [
      custom(
        "a number of CPU units that Fargate supports",
        (value) => !isInDefaultUnit(value) || memoryChoices(Number(value)).length > 0,
        "1000",
        1000,
      ),
      ECS_GUIDE,
      "task_definition_parameters",
    ],
    memory: [
      custom(
        "an amount of memory that Fargate supports with this cpu",
        (value, task) => {
          const cpu = valueAt(task, "cpu");
          const isComparable = isInDefaultUnit(value) && isInDefaultUnit(cpu);
          return !isComparable || memoryChoices(Number(cpu)).includes(Number(value));
        },
        "1000",
        1000,
      ),
      ECS_GUIDE,
      "task_definition_parameters",
    ],
    "containerDefinitions[].stopTimeout": [range(2, 120), ECS_GUIDE, "task_definition_parameters"],
    "containerDefinitions[].portMappings[].containerPort": [PORT, ECS_GUIDE, "task_definition_parameters"],
    "containerDefinitions[].healthCheck.interval": [range(5, 300), ECS, "HealthCheck"],
    "containerDefinitions[].healthCheck.timeout": [range(2, 60), ECS, "HealthCheck"],
    "containerDefinitions[].healthCheck.retries": [range(1, 10), ECS, "HealthCheck"],
    "containerDefinitions[].healthCheck.startPeriod": [range(0, 300), ECS, "HealthCheck"],
  },
  "aws:elasticache/serverlessCache:ServerlessCache": {
    name: [length(1, 40), ELASTICACHE, "CreateServerlessCache"],
    "cacheUsageLimits.dataStorage.maximum": [range(1, 5000), ELASTICACHE, "CreateServerlessCache"],
    "cacheUsageLimits.ecpuPerSeconds[].maximum": [
      range(1000, 15_000_000),
      ELASTICACHE,
      "CreateServerlessCache",
    ],
  },
  "aws:elasticache/user:User": {
    userId: [
      pattern(/^[a-z][a-z0-9-]{0,39}$/i, "a letter and at most 39 letters, digits and hyphens", "1st"),
      ELASTICACHE,
      "CreateUser",
    ],
    "authenticationMode.passwords": [items(1, 2), ELASTICACHE, "CreateUser"],
    "authenticationMode.passwords[]": [length(16, 128), ELASTICACHE, "CreateUser"],
  },
  "aws:iam/role:Role": {
    name: [length(1, 64), IAM, "CreateRole"],
  },
  "aws:lb/listener:Listener": {
    port: [PORT, ELB, "CreateListener"],
    protocol: [
      custom(
        "HTTP, or HTTPS with a certificate",
        (value, listener) =>
          value === "HTTP" || (value === "HTTPS" && valueAt(listener, "certificateArn") !== undefined),
        "TLS",
      ),
      ELB,
      "CreateListener",
    ],
    "defaultActions[].fixedResponse.statusCode": [
      pattern(/^[245]\d\d$/, "2XX, 4XX or 5XX", "303"),
      ELB,
      "FixedResponseActionConfig",
    ],
    "defaultActions[].fixedResponse.messageBody": [length(0, 1024), ELB, "FixedResponseActionConfig"],
  },
  "aws:lb/listenerRule:ListenerRule": {
    priority: [range(1, 50_000), ELB, "CreateRule"],
    "conditions[].httpHeader.httpHeaderName": [length(1, 40), ELB, "HttpHeaderConditionConfig"],
    "conditions[].httpHeader.values[]": [length(1, 128), ELB, "HttpHeaderConditionConfig"],
    "conditions[].httpHeader.values": [items(1, 5), ELB_GUIDE, "load-balancer-limits"],
  },
  "aws:lb/loadBalancer:LoadBalancer": {
    name: [length(1, 32), ELB, "CreateLoadBalancer"],
    subnets: [items(2, 100), ELB, "CreateLoadBalancer"],
    idleTimeout: [range(1, 4000), ELB, "LoadBalancerAttribute"],
  },
  "aws:lb/targetGroup:TargetGroup": {
    name: [length(1, 32), ELB, "CreateTargetGroup"],
    port: [PORT, ELB, "CreateTargetGroup"],
    "healthCheck.interval": [range(5, 300), ELB, "CreateTargetGroup"],
    "healthCheck.timeout": [range(2, 120), ELB, "CreateTargetGroup"],
    "healthCheck.healthyThreshold": [range(2, 10), ELB, "CreateTargetGroup"],
    "healthCheck.unhealthyThreshold": [range(2, 10), ELB, "CreateTargetGroup"],
    "healthCheck.path": [length(1, 1024), ELB, "CreateTargetGroup"],
    deregistrationDelay: [range(0, 3600), ELB, "TargetGroupAttribute"],
    loadBalancingAlgorithmType: [
      oneOf("round_robin", "least_outstanding_requests", "weighted_random"),
      ELB,
      "TargetGroupAttribute",
    ],
  },
  "aws:route53/record:Record": {
    name: [length(1, 255), ROUTE_53, "ResourceRecordSet"],
    ttl: [range(0, 2 ** 31 - 1), ROUTE_53, "ResourceRecordSet"],
  },
  "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": {
    "rules[].expiration.days": [range(1, 2 ** 31 - 1), S3, "LifecycleExpiration"],
  },
  "aws:ssm/parameter:Parameter": {
    value: [length(1, 4096), SSM, "PutParameter"],
  },
  "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": SECURITY_GROUP_RULE,
  "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": SECURITY_GROUP_RULE,
};

export const AWS_LIMITS: readonly AwsLimit[] = Object.entries(TABLE).flatMap(([type, rows]) =>
  Object.entries(rows).map(([path, [limit, section, page]]) => ({
    type,
    path,
    source: `${section}${page}.html`,
    ...limit,
  })),
);

/** CPU units or MiB. Values with another unit, such as `2 GB`, are not checked. */
function isInDefaultUnit(value: unknown): boolean {
  return /^\d+$/.test(String(value));
}
