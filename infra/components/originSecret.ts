import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import { generationsInUse } from "./generations.ts";
import type { Generations } from "./generations.ts";

/** A listener rule compares at most 128 characters, and gives `*` and `?` a meaning: letters and digits only. */
const SECRET_LENGTH = 64;

export interface OriginSecretArgs {
  /** Raised by one, it makes a new value; see {@link generationsInUse}. */
  readonly generation: number;
}

/**
 * The value that CloudFront sends to the load balancer with every request. Whoever knows it can go around
 * CloudFront, so it is a Pulumi secret, and no output.
 */
export class OriginSecret extends pulumi.ComponentResource {
  /** The one to send, and the one that was sent before it. Secret. */
  readonly values: Generations<pulumi.Output<string>>;

  constructor(name: string, args: OriginSecretArgs, opts?: pulumi.ComponentResourceOptions) {
    super("websocket:infra:OriginSecret", name, {}, opts);

    this.values = generationsInUse(
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
