import * as aws from "@pulumi/aws";
import type { InRegion } from "./base.ts";

/** Availability zones of the network. An Application Load Balancer requires two. */
const ZONE_COUNT = 2;

/**
 * Returns the names of the zones for the network. It skips zones that require an opt-in: local zones sort before others and
 * have no Fargate.
 */
export async function findAvailabilityZones(inRegion: InRegion): Promise<readonly string[]> {
  const { names } = await aws.getAvailabilityZones(
    { state: "available", filters: [{ name: "opt-in-status", values: ["opt-in-not-required"] }] },
    inRegion,
  );
  return names.slice(0, ZONE_COUNT);
}
