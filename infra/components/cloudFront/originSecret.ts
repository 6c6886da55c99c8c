import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import { createGenerations } from "../generations.ts";
import type { Generations } from "../generations.ts";

/** A listener rule accepts at most 128 characters and treats `*` and `?` as wildcards, so the value has only letters and digits. */
const SECRET_LENGTH = 64;

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

    this.values = createGenerations(
      args.generation,
      (generation) =>
        new random.RandomPassword(
          `${name}-${generation}`,
          { length: SECRET_LENGTH, special: false },
          { parent: this },
        ).result,
    );
    this.registerOutputs({});
  }
}
