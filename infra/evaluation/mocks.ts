/** Mocks for the unit tests of a program; the npm package exports this as `pulumi-websocket-server/testing`. */
import type * as pulumi from "@pulumi/pulumi";
import { createRecorder } from "./recorder.ts";

/**
 * Returns mocks for `pulumi.runtime.setMocks` that answer as the providers would: with IDs, ARNs, names, availability zones and
 * policies in the format of AWS. Random values differ in each test.
 * @param region region in ARNs and names. @default us-east-1
 */
export function createMocks(region = "us-east-1"): pulumi.runtime.Mocks {
  return createRecorder(region, undefined).mocks;
}
