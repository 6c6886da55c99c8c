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

/** The limits of a type by path, for each page of the AWS documentation. */
type Pages = Readonly<Record<string, Readonly<Record<string, Limit>>>>;

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

const SECURITY_GROUP_RULE: Pages = {
  [`${EC2}IpPermission`]: {
    description: SECURITY_GROUP_DESCRIPTION,
    fromPort: range(-1, 65_535),
    toPort: range(-1, 65_535),
  },
};

/** Retention periods in days; 0 keeps log events forever. */
const RETENTION_DAYS = [
  ...[0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731],
  ...[1096, 1827, 2192, 2557, 2922, 3288, 3653],
];

const TARGET_TRACKING = "TargetTrackingScalingPolicyConfiguration";

const TABLE: Readonly<Record<string, Pages>> = {
  "aws:acm/certificate:Certificate": {
    [`${ACM}RequestCertificate`]: {
      domainName: length(1, 253),
      validationMethod: oneOf("DNS", "EMAIL", "HTTP"),
    },
  },
  "aws:appautoscaling/policy:Policy": {
    [`${AUTOSCALING}${TARGET_TRACKING}`]: {
      "targetTrackingScalingPolicyConfiguration.targetValue": custom(
        "a number above 0",
        (value) => Number(value) > 0,
        0,
      ),
      "targetTrackingScalingPolicyConfiguration.scaleInCooldown": range(0),
      "targetTrackingScalingPolicyConfiguration.scaleOutCooldown": range(0),
    },
    [`${AUTOSCALING}CustomizedMetricSpecification`]: {
      "targetTrackingScalingPolicyConfiguration.customizedMetricSpecification.statistic": oneOf(
        "Average",
        "Minimum",
        "Maximum",
        "SampleCount",
        "Sum",
      ),
    },
  },
  "aws:appautoscaling/scheduledAction:ScheduledAction": {
    [`${AUTOSCALING}PutScheduledAction`]: {
      schedule: pattern(
        /^(at|rate|cron)\(.{1,1590}\)$/,
        "an expression at(…), rate(…) or cron(…) of at most 1600 characters",
        "0 8 * * MON",
      ),
      timezone: length(1, 1600),
    },
    [`${AUTOSCALING}ScalableTargetAction`]: {
      "scalableTargetAction.minCapacity": custom(
        "a whole number from 0 to maxCapacity",
        (value, action) =>
          Number(value) >= 0 &&
          Number(value) <= Number(valueAt(action, "scalableTargetAction.maxCapacity") ?? Infinity),
        -1,
        100_000,
      ),
    },
  },
  "aws:appautoscaling/target:Target": {
    [`${AUTOSCALING}RegisterScalableTarget`]: {
      minCapacity: custom(
        "a whole number from 0 to maxCapacity",
        (value, target) =>
          Number(value) >= 0 && Number(value) <= Number(valueAt(target, "maxCapacity") ?? Infinity),
        -1,
        100_000,
      ),
    },
  },
  "aws:cloudfront/distribution:Distribution": {
    [`${CLOUDFRONT}DistributionConfig`]: {
      comment: length(0, 128),
      defaultRootObject: pattern(
        /^(?!\/).{0,255}$/,
        "at most 255 characters without a leading slash",
        "/index.html",
      ),
      priceClass: oneOf("PriceClass_All", "PriceClass_200", "PriceClass_100"),
      httpVersion: oneOf("http1.1", "http2", "http3", "http2and3"),
      aliases: custom(
        "no aliases without a certificate",
        (value, distribution) =>
          Array.isArray(value) &&
          (value.length === 0 || valueAt(distribution, "viewerCertificate.acmCertificateArn") !== undefined),
        "ws.example.com",
      ),
    },
    [`${CLOUDFRONT}DefaultCacheBehavior`]: {
      "defaultCacheBehavior.viewerProtocolPolicy": oneOf("allow-all", "https-only", "redirect-to-https"),
    },
    [`${CLOUDFRONT}CustomOriginConfig`]: { "origins[].customOriginConfig.httpPort": PORT },
    [`${CLOUDFRONT_GUIDE}add-origin-custom-headers`]: {
      "origins[].customHeaders[].name": pattern(
        /^(?!(cache-control|connection|content-length|cookie|host|if-.*|max-forwards|pragma|proxy-.*|range|request-range|te|trailer|transfer-encoding|upgrade|via|x-amz-.*|x-edge-.*|x-real-ip)$)[\w-]{1,256}$/i,
        "1 to 256 letters, digits, hyphens and underscores, and no header that CloudFront reserves",
        "X-Amz-Secret",
        "X Secret",
      ),
      "origins[].customHeaders[].value": length(1, 1783),
    },
  },
  "aws:cloudfront/originRequestPolicy:OriginRequestPolicy": {
    [`${CLOUDFRONT}OriginRequestPolicyConfig`]: { name: length(1, 128) },
    [`${CLOUDFRONT_GUIDE}cloudfront-limits`]: { "headersConfig.headers.items": items(1, 10) },
  },
  "aws:cloudfront/vpcOrigin:VpcOrigin": {
    [`${CLOUDFRONT}VpcOriginEndpointConfig`]: {
      "vpcOriginEndpointConfig.name": length(1, 64),
      "vpcOriginEndpointConfig.originProtocolPolicy": oneOf("http-only", "https-only", "match-viewer"),
      "vpcOriginEndpointConfig.httpPort": PORT,
    },
  },
  "aws:cloudwatch/logDeliveryDestination:LogDeliveryDestination": {
    [`${CLOUDWATCH_LOGS}PutDeliveryDestination`]: { name: length(1, 60) },
  },
  "aws:cloudwatch/logDeliverySource:LogDeliverySource": {
    [`${CLOUDWATCH_LOGS}PutDeliverySource`]: { name: length(1, 60) },
  },
  "aws:cloudwatch/logGroup:LogGroup": {
    [`${CLOUDWATCH_LOGS}PutRetentionPolicy`]: { retentionInDays: oneOf(...RETENTION_DAYS) },
  },
  "aws:ec2/securityGroup:SecurityGroup": {
    [`${EC2}CreateSecurityGroup`]: { description: SECURITY_GROUP_DESCRIPTION },
  },
  "aws:ecs/cluster:Cluster": {
    [`${ECS}ClusterSetting`]: { "settings[].value": oneOf("enhanced", "enabled", "disabled") },
  },
  "aws:ecs/service:Service": {
    [`${ECS}CreateService`]: {
      availabilityZoneRebalancing: custom(
        "DISABLED, or ENABLED with a deploymentMaximumPercent above 100",
        (value, service) =>
          value === "DISABLED" ||
          (value === "ENABLED" && valueAt(service, "deploymentMaximumPercent") !== 100),
        "SOMETIMES",
      ),
      healthCheckGracePeriodSeconds: range(0, 2 ** 31 - 1),
      desiredCount: range(0, 5000),
    },
    [`${ECS_GUIDE}service_definition_parameters`]: {
      deploymentMaximumPercent: custom(
        "a whole number from 100 to 200, above deploymentMinimumHealthyPercent",
        (value, service) =>
          range(100, 200).isValid(value, {}) &&
          Number(value) > Number(valueAt(service, "deploymentMinimumHealthyPercent") ?? 0),
        99,
        100,
        201,
      ),
      deploymentMinimumHealthyPercent: range(0, 100),
      "loadBalancers[].containerPort": PORT,
    },
  },
  "aws:ecs/taskDefinition:TaskDefinition": {
    [`${ECS_GUIDE}task_definition_parameters`]: {
      cpu: custom(
        "a number of CPU units that Fargate supports",
        (value) => !isInDefaultUnit(value) || memoryChoices(Number(value)).length > 0,
        "1000",
        1000,
      ),
      memory: custom(
        "an amount of memory that Fargate supports with this cpu",
        (value, task) => {
          const cpu = valueAt(task, "cpu");
          const isComparable = isInDefaultUnit(value) && isInDefaultUnit(cpu);
          return !isComparable || memoryChoices(Number(cpu)).includes(Number(value));
        },
        "1000",
        1000,
      ),
      "containerDefinitions[].stopTimeout": range(2, 120),
      "containerDefinitions[].portMappings[].containerPort": PORT,
    },
    [`${ECS}HealthCheck`]: {
      "containerDefinitions[].healthCheck.interval": range(5, 300),
      "containerDefinitions[].healthCheck.timeout": range(2, 60),
      "containerDefinitions[].healthCheck.retries": range(1, 10),
      "containerDefinitions[].healthCheck.startPeriod": range(0, 300),
    },
  },
  "aws:elasticache/serverlessCache:ServerlessCache": {
    [`${ELASTICACHE}CreateServerlessCache`]: {
      name: length(1, 40),
      "cacheUsageLimits.dataStorage.maximum": range(1, 5000),
      "cacheUsageLimits.ecpuPerSeconds[].maximum": range(1000, 15_000_000),
    },
  },
  "aws:elasticache/user:User": {
    [`${ELASTICACHE}CreateUser`]: {
      userId: pattern(
        /^[a-z][a-z0-9-]{0,39}$/i,
        "a letter and at most 39 letters, digits and hyphens",
        "1st",
      ),
      "authenticationMode.passwords": items(1, 2),
      "authenticationMode.passwords[]": length(16, 128),
    },
  },
  "aws:iam/role:Role": { [`${IAM}CreateRole`]: { name: length(1, 64) } },
  "aws:lb/listener:Listener": {
    [`${ELB}CreateListener`]: {
      port: PORT,
      protocol: custom(
        "HTTP, or HTTPS with a certificate",
        (value, listener) =>
          value === "HTTP" || (value === "HTTPS" && valueAt(listener, "certificateArn") !== undefined),
        "TLS",
      ),
    },
    [`${ELB}FixedResponseActionConfig`]: {
      "defaultActions[].fixedResponse.statusCode": pattern(/^[245]\d\d$/, "2XX, 4XX or 5XX", "303"),
      "defaultActions[].fixedResponse.messageBody": length(0, 1024),
    },
  },
  "aws:lb/listenerRule:ListenerRule": {
    [`${ELB}CreateRule`]: { priority: range(1, 50_000) },
    [`${ELB}HttpHeaderConditionConfig`]: {
      "conditions[].httpHeader.httpHeaderName": length(1, 40),
      "conditions[].httpHeader.values[]": length(1, 128),
    },
    [`${ELB_GUIDE}load-balancer-limits`]: { "conditions[].httpHeader.values": items(1, 5) },
  },
  "aws:lb/loadBalancer:LoadBalancer": {
    [`${ELB}CreateLoadBalancer`]: { name: length(1, 32), subnets: items(2, 100) },
    [`${ELB}LoadBalancerAttribute`]: { idleTimeout: range(1, 4000) },
  },
  "aws:lb/targetGroup:TargetGroup": {
    [`${ELB}CreateTargetGroup`]: {
      name: length(1, 32),
      port: PORT,
      "healthCheck.interval": range(5, 300),
      "healthCheck.timeout": range(2, 120),
      "healthCheck.healthyThreshold": range(2, 10),
      "healthCheck.unhealthyThreshold": range(2, 10),
      "healthCheck.path": length(1, 1024),
    },
    [`${ELB}TargetGroupAttribute`]: {
      deregistrationDelay: range(0, 3600),
      loadBalancingAlgorithmType: oneOf("round_robin", "least_outstanding_requests", "weighted_random"),
    },
  },
  "aws:route53/record:Record": {
    [`${ROUTE_53}ResourceRecordSet`]: { name: length(1, 255), ttl: range(0, 2 ** 31 - 1) },
  },
  "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": {
    [`${S3}LifecycleExpiration`]: { "rules[].expiration.days": range(1, 2 ** 31 - 1) },
  },
  "aws:ssm/parameter:Parameter": { [`${SSM}PutParameter`]: { value: length(1, 4096) } },
  "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": SECURITY_GROUP_RULE,
  "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": SECURITY_GROUP_RULE,
};

export const AWS_LIMITS: readonly AwsLimit[] = Object.entries(TABLE).flatMap(([type, pages]) =>
  Object.entries(pages).flatMap(([page, limits]) =>
    Object.entries(limits).map(([path, limit]) => ({ type, path, source: `${page}.html`, ...limit })),
  ),
);

/** CPU units or MiB. Values with another unit, such as `2 GB`, are not checked. */
function isInDefaultUnit(value: unknown): boolean {
  return /^\d+$/.test(String(value));
}
