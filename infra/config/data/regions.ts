import * as aws from "@pulumi/aws";

/**
 * Prefixes of the regions in other partitions: China, GovCloud, the European Sovereign Cloud and the isolated ones. Their ARNs
 * and domains differ, and they have no CloudFront or a separate one.
 */
const OTHER_PARTITIONS = ["cn-", "us-gov-", "eusc-", "us-iso", "eu-iso"] as const;

/** The regions of the partition `aws`. The program supports no others. */
export const REGIONS: readonly aws.Region[] = Object.values(aws.Region).filter(
  (region) => otherPartitionOf(region) === undefined,
);

/** Returns the prefix of the region's partition, or `undefined` for the partition `aws`. */
export function otherPartitionOf(region: string): string | undefined {
  return OTHER_PARTITIONS.find((prefix) => region.startsWith(prefix));
}

/** Region of CloudFront's control plane: its certificates and its log deliveries must be in this region. */
export const CLOUDFRONT_REGION = "us-east-1";

/**
 * Regions that support VPC origins, each with the IDs of its availability zones that do not.
 * @see https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-vpc-origins.html
 */
export const VPC_ORIGIN_REGIONS: Readonly<Record<string, readonly string[]>> = {
  "af-south-1": [],
  "ap-east-1": [],
  "ap-east-2": [],
  "ap-northeast-1": ["apne1-az3"],
  "ap-northeast-2": [],
  "ap-northeast-3": [],
  "ap-south-1": [],
  "ap-south-2": [],
  "ap-southeast-1": [],
  "ap-southeast-2": [],
  "ap-southeast-3": [],
  "ap-southeast-4": [],
  "ap-southeast-5": [],
  "ap-southeast-7": [],
  "ca-central-1": ["cac1-az3"],
  "ca-west-1": [],
  "eu-central-1": [],
  "eu-central-2": [],
  "eu-north-1": [],
  "eu-south-1": [],
  "eu-south-2": [],
  "eu-west-1": [],
  "eu-west-2": [],
  "eu-west-3": [],
  "il-central-1": [],
  "me-central-1": [],
  "me-south-1": [],
  "mx-central-1": [],
  "sa-east-1": [],
  "us-east-1": ["use1-az3"],
  "us-east-2": [],
  "us-west-1": ["usw1-az2"],
  "us-west-2": [],
};

/** Returns the IDs of the region's availability zones that do not support VPC origins. */
export function zonesWithoutVpcOrigin(region: string): readonly string[] {
  return VPC_ORIGIN_REGIONS[region] ?? [];
}
