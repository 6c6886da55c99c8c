import type * as aws from "@pulumi/aws";
import type { BackplaneTransform } from "./backplane/backplane.ts";
import type { LoadBalancerTransform } from "./network/loadBalancer.ts";
import type { NetworkTransform } from "./network/network.ts";
import type { AutoscalingTransform } from "./tasks/autoscaling.ts";
import type { ClusterTransform } from "./tasks/cluster.ts";
import type { ImageTransform } from "./tasks/image.ts";
import type { ServiceTransform } from "./tasks/service.ts";
import type { Transform } from "./transform.ts";

/** Changes of the resources of a service, by their part. */
export interface Transforms
  extends
    NetworkTransform,
    LoadBalancerTransform,
    ImageTransform,
    BackplaneTransform,
    ClusterTransform,
    ServiceTransform,
    AutoscalingTransform {
  readonly distribution?: Transform<aws.cloudfront.DistributionArgs>;
  readonly vpcOrigin?: Transform<aws.cloudfront.VpcOriginArgs>;
  readonly logBucket?: Transform<aws.s3.BucketArgs>;
}

/** The compiler refuses this record if it lacks a part. */
const PARTS: Readonly<Record<keyof Transforms, true>> = {
  vpc: true,
  taskSecurityGroup: true,
  loadBalancerSecurityGroup: true,
  loadBalancer: true,
  targetGroup: true,
  listener: true,
  listenerRule: true,
  repository: true,
  image: true,
  cluster: true,
  service: true,
  logGroup: true,
  taskRole: true,
  executionRole: true,
  scalableTarget: true,
  scalingPolicy: true,
  cache: true,
  distribution: true,
  vpcOrigin: true,
  logBucket: true,
};

/** Names of all parts. */
export const TRANSFORM_PARTS: readonly string[] = Object.keys(PARTS);
