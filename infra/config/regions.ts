import * as aws from "@pulumi/aws";

/**
 * How the regions of other partitions begin: China, GovCloud, the European Sovereign Cloud and the isolated ones. Their ARNs and
 * domains are others, and they have no CloudFront, or one of their own.
 */
const OTHER_PARTITIONS = ["cn-", "us-gov-", "eusc-", "us-iso", "eu-iso"] as const;

/** The regions of the partition `aws`. The program is for these only. */
export const REGIONS: readonly aws.Region[] = Object.values(aws.Region).filter(
  (region) => otherPartitionOf(region) === undefined,
);

/** How the regions of this region's partition begin, if that is another one than `aws`. */
export function otherPartitionOf(region: string): string | undefined {
  return OTHER_PARTITIONS.find((prefix) => region.startsWith(prefix));
}
