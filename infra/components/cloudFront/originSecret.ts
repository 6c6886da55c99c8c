import * as pulumi from "@pulumi/pulumi";
import { createSecrets } from "../generations.ts";
import type { Generations } from "../generations.ts";

export interface OriginSecretArgs {
  /** Increment to rotate the secret; see {@link createGenerations}. */
  readonly generation: number;
}

/**
 * The header value that CloudFront adds to every request to the load balancer. A client with this value can bypass CloudFront,
 * so the value is a Pulumi secret and not a stack output.
 */
export class OriginSecret extends pulumi.ComponentResource {
  /** The current and the previous value. Secret. */
  readonly values: Generations<pulumi.Output<string>>;

  constructor(name: string, args: OriginSecretArgs, opts?: pulumi.ComponentResourceOptions) {
    super("websocket:infra:OriginSecret", name, {}, opts);

    this.values = createSecrets(name, args.generation, this);
    this.registerOutputs({});
  }
}
