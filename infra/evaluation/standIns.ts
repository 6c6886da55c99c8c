/**
 * A stand-in for the providers in evaluations. It derives IDs, ARNs and names in the format of AWS from logical names, so that
 * references between resources can be followed in the declared graph.
 */
import { createHash, randomBytes } from "node:crypto";
import { existingListener, existingLoadBalancer } from "./existingResources.ts";

type Values = Readonly<Record<string, unknown>>;

/** A resource as its provider would return it. */
export interface StandIn {
  readonly id: string;
  /** Inputs and computed outputs. */
  readonly outputs: Readonly<Record<string, unknown>>;
  /** Names of the outputs that the provider would mark as secret. */
  readonly secretOutputs: readonly string[];
}

export interface StandIns {
  readonly resource: (type: string, name: string, inputs: Values) => StandIn;
  /** Returns the result of a provider function. */
  readonly call: (token: string, args: Values) => Record<string, unknown>;
}

const SECRET_OUTPUTS: Readonly<Record<string, readonly string[]>> = {
  "random:index/randomPassword:RandomPassword": ["result"],
};

const ACCOUNT = "123456789012";
const HEX_PER_BYTE = 2;

/**
 * Returns the stand-ins for a region.
 * @param region region in ARNs and names, such as `us-east-1`.
 * @param randomSeed with a seed, random values are equal for equal inputs, as if a state contained them. @default new values each time
 */
export function standInsFor(region: string, randomSeed?: string): StandIns {
  /** Outputs of the resources of the program, which it can look up too. */
  const declared = new Map<unknown, Values>();
  return {
    resource: (type, name, inputs) => {
      const unique = digest(type, name);
      const physicalName = autonameOf(type, name);
      const seed = randomSeed && JSON.stringify([randomSeed, type, name, inputs]);
      const computed = computedOutputs(type, name, inputs, region, seed);
      const arn = arnOf(type, physicalName, region, computed);
      const outputs = { name: physicalName, arn, ...inputs, ...computed };
      declared.set(arn, outputs);
      return {
        // Differs from the name, so that a confusion of ID and name is visible.
        id: `${kindOf(type)}-${unique}`,
        outputs,
        secretOutputs: SECRET_OUTPUTS[type] ?? [],
      };
    },
    call: (token, args) => ({
      ...args,
      ...(declared.get(args["arn"]) ?? functionResult(token, args, region)),
    }),
  };
}

/** Computed outputs; `bucket` and `arnSuffix` are also parts of ARNs. */
interface Computed {
  readonly bucket?: string;
  readonly arnSuffix?: string;
  readonly [name: string]: unknown;
}

function computedOutputs(
  type: string,
  name: string,
  inputs: Values,
  region: string,
  seed: string | undefined,
): Computed {
  const unique = digest(type, name);
  switch (type) {
    case "pulumi:pulumi:StackReference":
      return { outputs: {}, secretOutputNames: [] };
    case "aws:lb/loadBalancer:LoadBalancer":
      return {
        arnSuffix: `app/${name}/${unique}`,
        dnsName: `${inputs["internal"] === true ? "internal-" : ""}${name}-${unique}.${region}.elb.amazonaws.com`,
        zoneId: `Z${unique.toUpperCase()}`,
      };
    case "aws:lb/targetGroup:TargetGroup":
      return { arnSuffix: `targetgroup/${name}/${unique}` };
    case "aws:cloudfront/distribution:Distribution":
      return { domainName: `d${unique}.cloudfront.net`, hostedZoneId: CLOUDFRONT_ZONE };
    case "aws:acm/certificate:Certificate":
      return {
        domainValidationOptions: [
          {
            domainName: inputs["domainName"],
            // All certificates of a domain have the same validation record.
            resourceRecordName: `_${digest(type, String(inputs["domainName"]))}.${String(inputs["domainName"])}`,
            resourceRecordType: "CNAME",
            resourceRecordValue: `_${digest(type, String(inputs["domainName"]), "value")}.acm-validations.aws`,
          },
        ],
      };
    case "aws:route53/record:Record":
      return { fqdn: inputs["name"] };
    case "aws:s3/bucket:Bucket":
      return { bucket: `${name}-${unique}` };
    case "aws:ecr/repository:Repository":
      return { repositoryUrl: `${ACCOUNT}.dkr.ecr.${region}.amazonaws.com/${name}-${unique}` };
    case "random:index/randomPassword:RandomPassword":
      return { result: randomText(Number(inputs["length"]), seed) };
    case "random:index/randomId:RandomId":
      return {
        hex: `${typeof inputs["prefix"] === "string" ? inputs["prefix"] : ""}${randomText(Number(inputs["byteLength"]) * HEX_PER_BYTE, seed)}`,
      };
    case "aws:elasticache/serverlessCache:ServerlessCache":
      return {
        endpoints: [
          { address: `${autonameOf(type, name)}.serverless.${region}.cache.amazonaws.com`, port: 6379 },
        ],
      };
    case "awsx:ec2:Vpc":
      return { vpcId: `vpc-${unique}`, ...subnetIds(inputs, unique) };
    case "awsx:ecr:Image":
      return {
        imageUri: `${String(inputs["repositoryUrl"])}@sha256:${createHash("sha256")
          .update(JSON.stringify(inputs["imageTag"] ?? name))
          .digest("hex")}`,
      };
    case "awsx:ecs:FargateService":
      return { service: { name: `${name}-${unique}` } };
    default:
      return {};
  }
}

/** @see https://www.pulumi.com/registry/packages/awsx/api-docs/ec2/vpc/ */
const VPC_DEFAULTS = { zones: 3, subnetTypes: ["Public", "Private"] } as const;

function subnetIds(
  { availabilityZoneNames, numberOfAvailabilityZones, subnetSpecs }: Values,
  unique: string,
): Record<string, readonly string[]> {
  const zones =
    textsIn(availabilityZoneNames).length || Number(numberOfAvailabilityZones ?? VPC_DEFAULTS.zones);
  const specs: readonly unknown[] = Array.isArray(subnetSpecs) ? subnetSpecs : [];
  const types: readonly unknown[] =
    specs.length === 0
      ? VPC_DEFAULTS.subnetTypes
      : specs.map((spec) => (typeof spec === "object" && spec !== null && "type" in spec ? spec.type : ""));
  const idsOf = (type: string, digit: string): readonly string[] =>
    types.includes(type) ? Array.from({ length: zones }, (_, zone) => `subnet-${unique}${digit}${zone}`) : [];
  return { publicSubnetIds: idsOf("Public", ""), privateSubnetIds: idsOf("Private", "a") };
}

function arnOf(type: string, name: string, region: string, computed: Computed): string {
  const [, module = ""] = /^aws:(\w+)\//.exec(type) ?? [];
  const kind = kindOf(type);
  switch (module) {
    case "s3":
      return `arn:aws:s3:::${computed.bucket ?? name}`;
    case "cloudfront":
    case "iam":
      return `arn:aws:${module}::${ACCOUNT}:${kind}/${name}`;
    case "lb":
      return `arn:aws:elasticloadbalancing:${region}:${ACCOUNT}:${computed.arnSuffix ?? `${kind}/${name}`}`;
    default:
      return `arn:aws:${module}:${region}:${ACCOUNT}:${kind.toLowerCase()}/${name}`;
  }
}

/** Hosted zone of all distributions: https://docs.aws.amazon.com/Route53/latest/APIReference/API_AliasTarget.html */
const CLOUDFRONT_ZONE = "Z2FDTNDATAQYW2";

/** IDs of AWS managed policies: https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-managed-cache-policies.html */
const MANAGED_POLICY_IDS: Readonly<Record<string, string>> = {
  "Managed-CachingDisabled": "4135ea2d-6df8-44a3-9df3-4b5a84be39ad",
  "Managed-AllViewer": "216adef6-5c7f-47e4-b989-5492eafa07d3",
  "Managed-AllViewerExceptHostHeader": "b689b0a8-53d0-40ab-baf2-68738e2966ac",
  "Managed-SecurityHeadersPolicy": "67f7725c-6f97-4210-82d7-5512b31e9d03",
};

/** IDs of AWS managed prefix lists in us-east-1. */
const PREFIX_LIST_IDS: Readonly<Record<string, string>> = {
  "com.amazonaws.global.cloudfront.origin-facing": "pl-3b927c52",
};

function functionResult(token: string, args: Values, region: string): Record<string, unknown> {
  switch (token) {
    case "aws:index/getCallerIdentity:getCallerIdentity":
      return { accountId: ACCOUNT };
    case "aws:index/getRegion:getRegion":
      return { region };
    case "aws:ec2/getManagedPrefixList:getManagedPrefixList":
      return { id: PREFIX_LIST_IDS[String(args["name"])] };
    case "aws:index/getAvailabilityZones:getAvailabilityZones":
      return { names: zonesOf(region, args) };
    case "aws:route53/getZone:getZone":
      // The root zone, to which all names belong.
      return { name: "." };
    case "aws:ec2/getSubnet:getSubnet":
      return { availabilityZoneId: "" };
    case "aws:lb/getListener:getListener":
      return existingListener(String(args["arn"]));
    case "aws:lb/getLoadBalancer:getLoadBalancer":
      return existingLoadBalancer(String(args["arn"]));
    case "aws:cloudwatch/getLogGroup:getLogGroup":
      return { arn: `arn:aws:logs:${region}:${ACCOUNT}:log-group:${String(args["name"])}` };
    case "aws:ecr/getRepository:getRepository":
      return {
        arn: `arn:aws:ecr:${region}:${ACCOUNT}:repository/${String(args["name"])}`,
        repositoryUrl: `${ACCOUNT}.dkr.ecr.${region}.amazonaws.com/${String(args["name"])}`,
      };
    case "aws:cloudfront/getCachePolicy:getCachePolicy":
    case "aws:cloudfront/getOriginRequestPolicy:getOriginRequestPolicy":
    case "aws:cloudfront/getResponseHeadersPolicy:getResponseHeadersPolicy":
      return { id: MANAGED_POLICY_IDS[String(args["name"])] };
    default:
      return {};
  }
}

/** Returns the sorted zone names of an account that opted in to a local zone. A filter excludes the local zone. */
function zonesOf(region: string, { filters }: Values): readonly string[] {
  const excludesLocalZones = JSON.stringify(filters ?? []).includes('"values":["opt-in-not-required"]');
  return [...(excludesLocalZones ? [] : [`${region}-bos-1a`]), `${region}a`, `${region}b`, `${region}c`];
}

function textsIn(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

/** Returns the last part of a type token, such as `SecurityGroup`. */
function kindOf(type: string): string {
  return type.slice(type.lastIndexOf(":") + 1);
}

const DIGEST_DIGITS = 16;
/** Digits that Pulumi appends to a logical name: https://www.pulumi.com/docs/iac/concepts/resources/names/#autonaming */
const AUTONAME_DIGITS = 7;

/** Returns hexadecimal digits in place of the random part of AWS identifiers. */
function digest(...parts: readonly string[]): string {
  return createHash("sha256").update(parts.join("\0")).digest("hex").slice(0, DIGEST_DIGITS);
}

function autonameOf(type: string, name: string): string {
  return `${name}-${digest(type, name).slice(0, AUTONAME_DIGITS)}`;
}

function randomText(length: number, seed: string | undefined): string {
  const bytes = Math.ceil(length / HEX_PER_BYTE);
  const random =
    seed === undefined
      ? randomBytes(bytes)
      : createHash("shake256", { outputLength: bytes }).update(seed).digest();
  return random.toString("hex").slice(0, length);
}
