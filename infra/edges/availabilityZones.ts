import * as aws from "@pulumi/aws";
import type { InRegion } from "./base.ts";

/** How many zones the network has. A load balancer needs two. */
const ZONES = 2;

/**
 * Names of the zones that the network is in. Only those that every account has: a local zone, which an account opts in to, comes
 * first by its name, and has neither load balancers nor Fargate for this stack.
 */
export async function findAvailabilityZones(inRegion: InRegion): Promise<readonly string[]> {
  const { names } = await aws.getAvailabilityZones(
    { state: "available", filters: [{ name: "opt-in-status", values: ["opt-in-not-required"] }] },
    inRegion,
  );
  return names.slice(0, ZONES);
}
