import type * as pulumi from "@pulumi/pulumi";
import type { LogBucket } from "../components/logBucket.ts";
import type { ScalingMetric } from "../components/tasks/autoscaling.ts";
import type { Sidecars } from "../components/tasks/sidecars.ts";
import type { Transforms } from "../components/transforms.ts";
import type { ServiceConfig } from "../config/serviceConfig.ts";

/** What every edge of a service uses. */
export interface Scope {
  /** Name of the service, with which the logical names of its resources begin. */
  readonly name: string;
  readonly config: ServiceConfig;
  /** Region of the service, from its provider. */
  readonly region: pulumi.Output<string>;
  readonly logs: LogBucket;
  /** Changes of resources before they are declared. */
  readonly transform: Transforms | undefined;
  /** Containers beside the server in each task. */
  readonly sidecars: Sidecars | undefined;
  /** Metric of the user that scales the tasks. */
  readonly scalingMetric: ScalingMetric | undefined;
  /** Makes a resource a child of the service. */
  readonly child: { readonly parent: pulumi.ComponentResource };
}
