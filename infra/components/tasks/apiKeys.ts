import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { createSecrets } from "../generations.ts";
import type { Generations } from "../generations.ts";

export interface ApiKeysArgs {
  /** Increment to rotate the key; see {@link createGenerations}. */
  readonly generation: number;
}

/** The API key of backends, which the tasks accept together with the previous one. */
export class ApiKeys extends pulumi.ComponentResource {
  /** The current key. Secret. */
  readonly current: pulumi.Output<string>;
  /** ARNs of the SSM parameters with the accepted keys, for this deployment and for tasks of the last one. */
  readonly parameterArns: Generations<pulumi.Output<string>>;

  constructor(name: string, args: ApiKeysArgs, opts?: pulumi.ComponentResourceOptions) {
    super("websocket:infra:ApiKeys", name, {}, opts);
    const child = { parent: this };

    const keys = createSecrets(name, args.generation, this);
    const declareParameter = (generation: number, accepted: readonly pulumi.Output<string>[]) =>
      // The task definition contains its ARN, so ECS replaces the tasks after a rotation.
      new aws.ssm.Parameter(
        `${name}-${generation}`,
        {
          type: "SecureString",
          value: pulumi.all([...accepted]).apply((all) => all.join(" ")),
          description: "API keys that the tasks accept",
        },
        child,
      ).arn;

    [this.current] = keys;
    const [, ...previous] = keys;
    this.parameterArns = [
      declareParameter(args.generation, keys),
      ...previous.map((key) => declareParameter(args.generation - 1, [key])),
    ];
    this.registerOutputs({});
  }
}
