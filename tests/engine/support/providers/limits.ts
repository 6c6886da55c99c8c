/**
 * What AWS refuses, of what this project declares: the stand-in for AWS refuses it in Check, as the cloud would in the
 * middle of an update. A limit that AWS documents and that a stack could break belongs here, with a value that breaks it.
 */
import { memoryChoices } from "../../../../infra/config/fargateSizes.ts";
import type { Properties } from "../cloud.ts";

export interface Limit {
  /** Type token. */
  readonly type: string;
  /** Path of the value in the inputs: `[]` is every item of a list, and JSON inside a string is read as what it says. */
  readonly path: string;
  /** What AWS takes, in words that follow "must be". */
  readonly allowed: string;
  readonly holds: (value: unknown, inputs: Properties) => boolean;
  /** A value that AWS refuses. */
  readonly wrong: unknown;
  /** Where AWS says so. */
  readonly source: string;
}

export interface Refusal {
  /** Path of the value, such as `conditions[0].httpHeader.values[1]`. */
  readonly property: string;
  readonly reason: string;
}

type Rule = Pick<Limit, "allowed" | "holds" | "wrong">;
type Row = readonly [path: string, rule: Rule, source: string];

/** A whole number, also as text: the provider's schema has ports and sizes as both. */
function whole(min: number, max: number): Rule {
  return {
    allowed: `a whole number from ${min} to ${max}`,
    holds: (value) => /^-?\d+$/.test(String(value)) && Number(value) >= min && Number(value) <= max,
    wrong: max + 1,
  };
}

function oneOf(...choices: readonly (string | number)[]): Rule {
  return {
    allowed: `one of ${choices.join(", ")}`,
    holds: (value) => choices.some((choice) => choice === value),
    wrong: typeof choices[0] === "number" ? -1 : "anything else",
  };
}

function characters(min: number, max: number): Rule {
  return {
    allowed: `${min} to ${max} characters`,
    holds: (value) => typeof value === "string" && value.length >= min && value.length <= max,
    wrong: "x".repeat(max + 1),
  };
}

function matching(pattern: RegExp, allowed: string, wrong: string): Rule {
  return { allowed, holds: (value) => typeof value === "string" && pattern.test(value), wrong };
}

function items(min: number, max: number, wrong: readonly unknown[]): Rule {
  return {
    allowed: `${min} to ${max} items`,
    holds: (value) => Array.isArray(value) && value.length >= min && value.length <= max,
    wrong,
  };
}

const PORT = whole(1, 65_535);

const ELB = "Elastic Load Balancing API";
const CLOUDFRONT = "Amazon CloudFront API";
const ECS = "Amazon ECS API";
const ELASTICACHE = "Amazon ElastiCache API";
const EC2 = "Amazon EC2 API";

const DESCRIPTION = matching(
  /^[a-zA-Z0-9. _\-:/()#,@[\]+=&;{}!$*]{0,255}$/,
  "at most 255 of the characters a-z, A-Z, 0-9, spaces and ._-:/()#,@[]+=&;{}!$*",
  "CloudFront’s requests",
);

const TABLE: Readonly<Record<string, readonly Row[]>> = {
  "aws:acm/certificate:Certificate": [
    ["domainName", characters(1, 253), "AWS Certificate Manager API, RequestCertificate"],
    ["validationMethod", oneOf("DNS", "EMAIL", "HTTP"), "AWS Certificate Manager API, RequestCertificate"],
  ],
  "aws:appautoscaling/policy:Policy": [
    [
      "targetTrackingScalingPolicyConfiguration.targetValue",
      { allowed: "a number above 0", holds: (value) => Number(value) > 0, wrong: 0 },
      "Application Auto Scaling API, TargetTrackingScalingPolicyConfiguration",
    ],
    ...["scaleInCooldown", "scaleOutCooldown"].map((name): Row => [
      `targetTrackingScalingPolicyConfiguration.${name}`,
      { ...whole(0, 2 ** 31 - 1), wrong: -1 },
      "Application Auto Scaling API, TargetTrackingScalingPolicyConfiguration",
    ]),
  ],
  "aws:appautoscaling/target:Target": [
    [
      "minCapacity",
      {
        allowed: "a whole number from 0 to maxCapacity",
        holds: (value, { maxCapacity }) => Number(value) >= 0 && Number(value) <= Number(maxCapacity),
        wrong: 100_000,
      },
      "Application Auto Scaling API, RegisterScalableTarget",
    ],
  ],
  "aws:cloudfront/distribution:Distribution": [
    ["comment", characters(0, 128), `${CLOUDFRONT}, DistributionConfig`],
    [
      "defaultRootObject",
      matching(/^(?!\/).{0,255}$/, "at most 255 characters, and no slash before them", "/index.html"),
      `${CLOUDFRONT}, DistributionConfig`,
    ],
    [
      "priceClass",
      oneOf("PriceClass_All", "PriceClass_200", "PriceClass_100"),
      `${CLOUDFRONT}, DistributionConfig`,
    ],
    ["httpVersion", oneOf("http1.1", "http2", "http3", "http2and3"), `${CLOUDFRONT}, DistributionConfig`],
    [
      "defaultCacheBehavior.viewerProtocolPolicy",
      oneOf("allow-all", "https-only", "redirect-to-https"),
      `${CLOUDFRONT}, DefaultCacheBehavior`,
    ],
    [
      "aliases",
      {
        allowed: "names, with a certificate that names them",
        holds: (value, { viewerCertificate }) =>
          Array.isArray(value) &&
          (value.length === 0 || fieldsOf(viewerCertificate)["acmCertificateArn"] !== undefined),
        wrong: "ws.example.com",
      },
      `${CLOUDFRONT}, DistributionConfig`,
    ],
    ["origins[].customOriginConfig.httpPort", PORT, `${CLOUDFRONT}, CustomOriginConfig`],
    [
      "origins[].customHeaders[].name",
      matching(
        /^(?!(cache-control|connection|content-length|cookie|host|if-.*|max-forwards|pragma|proxy-.*|range|request-range|te|trailer|transfer-encoding|upgrade|via|x-amz-.*|x-edge-.*|x-real-ip)$)[\w-]{1,256}$/i,
        "1 to 256 letters, digits, hyphens and underscores, and no name that CloudFront keeps to itself",
        "X-Amz-Secret",
      ),
      "Amazon CloudFront Developer Guide, custom headers that CloudFront can't add to origin requests",
    ],
    [
      "origins[].customHeaders[].value",
      characters(1, 1783),
      "Amazon CloudFront Developer Guide, quotas on headers",
    ],
  ],
  "aws:cloudfront/originRequestPolicy:OriginRequestPolicy": [
    ["name", characters(1, 128), `${CLOUDFRONT}, OriginRequestPolicyConfig`],
    [
      "headersConfig.headers.items",
      items(1, 10, Array(11).fill("Sec-WebSocket-Key")),
      "Amazon CloudFront Developer Guide, quotas on policies",
    ],
  ],
  "aws:cloudfront/vpcOrigin:VpcOrigin": [
    ["vpcOriginEndpointConfig.name", characters(1, 64), `${CLOUDFRONT}, VpcOriginEndpointConfig`],
    [
      "vpcOriginEndpointConfig.originProtocolPolicy",
      oneOf("http-only", "https-only", "match-viewer"),
      `${CLOUDFRONT}, VpcOriginEndpointConfig`,
    ],
    ["vpcOriginEndpointConfig.httpPort", PORT, `${CLOUDFRONT}, VpcOriginEndpointConfig`],
  ],
  "aws:cloudwatch/logDeliveryDestination:LogDeliveryDestination": [
    ["name", characters(1, 60), "Amazon CloudWatch Logs API, PutDeliveryDestination"],
  ],
  "aws:cloudwatch/logDeliverySource:LogDeliverySource": [
    ["name", characters(1, 60), "Amazon CloudWatch Logs API, PutDeliverySource"],
  ],
  "aws:cloudwatch/logGroup:LogGroup": [
    [
      "retentionInDays",
      oneOf(
        ...[
          0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
          3288,
        ],
        3653,
      ),
      "Amazon CloudWatch Logs API, PutRetentionPolicy; the provider's 0 keeps them for ever",
    ],
  ],
  "aws:ec2/securityGroup:SecurityGroup": [["description", DESCRIPTION, `${EC2}, CreateSecurityGroup`]],
  "aws:ecs/cluster:Cluster": [
    ["settings[].value", oneOf("enhanced", "enabled", "disabled"), `${ECS}, ClusterSetting`],
  ],
  "aws:ecs/service:Service": [
    [
      "availabilityZoneRebalancing",
      {
        allowed: "ENABLED or DISABLED, and not ENABLED with a deploymentMaximumPercent of 100",
        holds: (value, { deploymentMaximumPercent }) =>
          value === "DISABLED" || (value === "ENABLED" && deploymentMaximumPercent !== 100),
        wrong: "SOMETIMES",
      },
      `${ECS}, CreateService`,
    ],
    [
      "deploymentMaximumPercent",
      {
        allowed: "a whole number from 100 to 200, above deploymentMinimumHealthyPercent",
        holds: (value, { deploymentMinimumHealthyPercent }) =>
          whole(100, 200).holds(value, {}) && Number(value) > Number(deploymentMinimumHealthyPercent),
        wrong: 100,
      },
      "Amazon ECS Developer Guide, service definition parameters, deploymentConfiguration",
    ],
    [
      "deploymentMinimumHealthyPercent",
      whole(0, 100),
      "Amazon ECS Developer Guide, service definition parameters, deploymentConfiguration",
    ],
    ["healthCheckGracePeriodSeconds", whole(0, 2 ** 31 - 1), `${ECS}, CreateService`],
    ["desiredCount", { ...whole(0, 5000), wrong: -1 }, "Amazon ECS endpoints and quotas, tasks per service"],
    ["loadBalancers[].containerPort", PORT, `${ECS}, LoadBalancer`],
  ],
  "aws:ecs/taskDefinition:TaskDefinition": [
    [
      "memory",
      {
        allowed: "a size that Fargate has for this cpu",
        holds: (value, { cpu }) => memoryChoices(Number(cpu)).includes(Number(value)),
        wrong: "1000",
      },
      "Amazon ECS Developer Guide, task definition parameters for Fargate, task size",
    ],
    [
      "cpu",
      {
        allowed: "a number of CPU units that Fargate has",
        holds: (value) => memoryChoices(Number(value)).length > 0,
        wrong: "1000",
      },
      "Amazon ECS Developer Guide, task definition parameters for Fargate, task size",
    ],
    [
      "containerDefinitions[].stopTimeout",
      whole(2, 120),
      "Amazon ECS Developer Guide, container definition parameters, stopTimeout",
    ],
    ["containerDefinitions[].healthCheck.interval", whole(5, 300), `${ECS}, HealthCheck`],
    ["containerDefinitions[].healthCheck.timeout", whole(2, 60), `${ECS}, HealthCheck`],
    ["containerDefinitions[].healthCheck.retries", whole(1, 10), `${ECS}, HealthCheck`],
    ["containerDefinitions[].healthCheck.startPeriod", whole(0, 300), `${ECS}, HealthCheck`],
    ["containerDefinitions[].portMappings[].containerPort", PORT, `${ECS}, PortMapping`],
  ],
  "aws:elasticache/serverlessCache:ServerlessCache": [
    ["name", characters(1, 40), "Amazon ElastiCache User Guide, creating a serverless cache"],
    ["cacheUsageLimits.dataStorage.maximum", whole(1, 5000), `${ELASTICACHE}, DataStorage`],
    ["cacheUsageLimits.ecpuPerSeconds[].maximum", whole(1000, 15_000_000), `${ELASTICACHE}, ECPUPerSecond`],
  ],
  "aws:elasticache/user:User": [
    [
      "userId",
      matching(/^[a-z][a-z0-9-]{0,39}$/i, "at most 40 letters, digits and hyphens", "1st"),
      `${ELASTICACHE}, CreateUser`,
    ],
    [
      "authenticationMode.passwords",
      items(1, 2, ["x".repeat(16), "y".repeat(16), "z".repeat(16)]),
      `${ELASTICACHE}, AuthenticationMode`,
    ],
    [
      "authenticationMode.passwords[]",
      characters(16, 128),
      "Amazon ElastiCache User Guide, role-based access control",
    ],
  ],
  "aws:iam/role:Role": [["name", characters(1, 64), "AWS IAM API, CreateRole"]],
  "aws:lb/listener:Listener": [
    ["port", PORT, `${ELB}, CreateListener`],
    [
      "protocol",
      {
        allowed: "HTTP, or HTTPS with a certificate",
        holds: (value, { certificateArn }) =>
          value === "HTTP" || (value === "HTTPS" && certificateArn !== undefined),
        wrong: "TLS",
      },
      `${ELB}, CreateListener`,
    ],
    [
      "defaultActions[].fixedResponse.statusCode",
      matching(/^[245]\d\d$/, "2XX, 4XX or 5XX", "303"),
      `${ELB}, FixedResponseActionConfig`,
    ],
    ["defaultActions[].fixedResponse.messageBody", characters(0, 1024), `${ELB}, FixedResponseActionConfig`],
  ],
  "aws:lb/listenerRule:ListenerRule": [
    ["priority", whole(1, 50_000), `${ELB}, CreateRule`],
    ["conditions[].httpHeader.httpHeaderName", characters(1, 40), `${ELB}, HttpHeaderConditionConfig`],
    [
      "conditions[].httpHeader.values",
      items(1, 5, ["a", "b", "c", "d", "e", "f"]),
      "Quotas for your Application Load Balancers, match evaluations per rule",
    ],
    ["conditions[].httpHeader.values[]", characters(1, 128), `${ELB}, HttpHeaderConditionConfig`],
  ],
  "aws:lb/loadBalancer:LoadBalancer": [
    ["name", characters(1, 32), `${ELB}, CreateLoadBalancer`],
    ["idleTimeout", whole(1, 4000), `${ELB}, LoadBalancerAttribute`],
    ["subnets", items(2, 100, ["subnet-1"]), `${ELB}, CreateLoadBalancer`],
  ],
  "aws:lb/targetGroup:TargetGroup": [
    ["name", characters(1, 32), `${ELB}, CreateTargetGroup`],
    ["port", PORT, `${ELB}, CreateTargetGroup`],
    ["deregistrationDelay", whole(0, 3600), `${ELB}, TargetGroupAttribute`],
    [
      "loadBalancingAlgorithmType",
      oneOf("round_robin", "least_outstanding_requests", "weighted_random"),
      `${ELB}, TargetGroupAttribute`,
    ],
    ["healthCheck.interval", whole(5, 300), `${ELB}, CreateTargetGroup`],
    ["healthCheck.timeout", whole(2, 120), `${ELB}, CreateTargetGroup`],
    ["healthCheck.healthyThreshold", whole(2, 10), `${ELB}, CreateTargetGroup`],
    ["healthCheck.unhealthyThreshold", whole(2, 10), `${ELB}, CreateTargetGroup`],
    ["healthCheck.path", characters(1, 1024), `${ELB}, CreateTargetGroup`],
  ],
  "aws:route53/record:Record": [
    ["name", characters(1, 255), "Amazon Route 53 API, ResourceRecordSet"],
    ["ttl", { ...whole(0, 2 ** 31 - 1), wrong: -1 }, "Amazon Route 53 API, ResourceRecordSet"],
  ],
  "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": [
    ["rules[].expiration.days", { ...whole(1, 2 ** 31 - 1), wrong: 0 }, "Amazon S3 API, LifecycleExpiration"],
  ],
  "aws:ssm/parameter:Parameter": [
    ["value", characters(1, 4096), "AWS Systems Manager API, PutParameter, standard tier"],
  ],
  ...Object.fromEntries(
    [
      "securityGroupIngressRule:SecurityGroupIngressRule",
      "securityGroupEgressRule:SecurityGroupEgressRule",
    ].map((kind): [string, readonly Row[]] => [
      `aws:vpc/${kind}`,
      [
        ["description", DESCRIPTION, `${EC2}, IpPermission`],
        ["fromPort", whole(-1, 65_535), `${EC2}, IpPermission`],
        ["toPort", whole(-1, 65_535), `${EC2}, IpPermission`],
      ],
    ]),
  ),
};

export const LIMITS: readonly Limit[] = Object.entries(TABLE).flatMap(([type, rows]) =>
  rows.map(([path, rule, source]) => ({ type, path, ...rule, source })),
);

/** The hyphen and the seven digits that Pulumi appends to a logical name, where the program gives no physical one. */
const AUTONAME_SUFFIX = "-0123456";

/**
 * What AWS would refuse of a resource.
 * @param inputs without marks of secrets; what is not known yet is never refused.
 */
export function refusals(type: string, name: string, inputs: Properties): readonly Refusal[] {
  const named = { name: `${name}${AUTONAME_SUFFIX}`, ...inputs };
  return LIMITS.filter((limit) => limit.type === type).flatMap(({ path, allowed, holds, source }) =>
    valuesAt(named, path)
      .filter(({ value }) => value !== UNKNOWN && !holds(value, named))
      .map(({ property }) => ({
        property,
        reason: `it must be ${allowed} (${source})`,
      })),
  );
}

/** How a value that a preview does not know yet travels (sdk/go/common/resource/plugin, UnknownStringValue). */
const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

interface Found {
  readonly property: string;
  readonly value: unknown;
}

/** The values at a path; none where there is nothing on the way, or nothing is known of it yet. */
function valuesAt(inputs: Properties, path: string): readonly Found[] {
  return path
    .split(".")
    .reduce<readonly Found[]>(
      (found, step) => found.flatMap((outer) => stepInto(outer, step)),
      [{ property: "", value: inputs }],
    );
}

function stepInto({ property, value }: Found, step: string): readonly Found[] {
  const [key = ""] = step.split("[]");
  const inner = fieldsOf(value)[key];
  if (inner === undefined) return [];
  const found = { property: property === "" ? key : `${property}.${key}`, value: inner };
  return step.endsWith("[]") ? itemsOf(found) : [found];
}

function itemsOf({ property, value }: Found): readonly Found[] {
  const list: unknown = parsed(value);
  if (!Array.isArray(list)) return [];
  return list.map((item: unknown, index) => ({ property: `${property}[${index}]`, value: item }));
}

function fieldsOf(value: unknown): Properties {
  const fields = parsed(value);
  return typeof fields === "object" && fields !== null ? { ...fields } : {};
}

function parsed(value: unknown): unknown {
  return typeof value === "string" && /^[[{]/.test(value) ? (JSON.parse(value) as unknown) : value;
}
