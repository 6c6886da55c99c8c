import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";

/** A listener rule compares at most 128 characters, and gives `*` and `?` a meaning: letters and digits only. */
const SECRET_LENGTH = 64;

/**
 * The value that CloudFront sends to the load balancer with every request. Whoever knows it can go around
 * CloudFront, so it is a Pulumi secret, and no output.
 */
export class OriginSecret extends pulumi.ComponentResource {
  /** Secret. */
  readonly value: pulumi.Output<string>;

  constructor(name: string, opts?: pulumi.ComponentResourceOptions) {
    super("websocket:infra:OriginSecret", name, {}, opts);

    const password = new random.RandomPassword(
      `${name}-value`,
      { length: SECRET_LENGTH, special: false },
      { parent: this },
    );

    this.value = password.result;
    this.registerOutputs({});
  }
}
