import type * as pulumi from "@pulumi/pulumi";
import type { Generations } from "../generations.ts";

/** Connection of a task to the backplane, which uses the Valkey cluster protocol. */
export interface BackplaneAccess {
  /** URL without the password, such as `rediss://user@host:6379`. */
  readonly url: pulumi.Input<string>;
  /** ARNs of the SSM parameters with the current and the previous password. */
  readonly passwordArns: Generations<pulumi.Input<string>>;
}
