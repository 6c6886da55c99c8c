import type * as aws from "@pulumi/aws";
import type { LoadBalancerTransform } from "./network/loadBalancer.ts";
import type { NetworkTransform } from "./network/network.ts";
import type { Transform } from "./transform.ts";

/** Changes of the resources of a service, by their part. */
export interface Transforms extends NetworkTransform, LoadBalancerTransform {
  readonly distribution?: Transform<aws.cloudfront.DistributionArgs>;
  readonly vpcOrigin?: Transform<aws.cloudfront.VpcOriginArgs>;
  readonly logBucket?: Transform<aws.s3.BucketArgs>;
}
