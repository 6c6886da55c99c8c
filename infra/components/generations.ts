import type * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";

/** A listener rule accepts at most 128 characters and treats `*` and `?` as wildcards, so a secret has only letters and digits. */
const SECRET_LENGTH = 64;

/** One item for the current generation of a secret and one for the previous generation, newest first. */
export type Generations<T> = readonly [current: T, ...previous: T[]];

/**
 * Creates what a secret needs for its current generation and for the previous one. Generation 1 has no previous one.
 *
 * To rotate a secret, increment its generation. The receiver accepts both values, so no request fails between the update of
 * the sender and the update of the receiver. `create` must put the generation into its resource names: the previous
 * generation then keeps its value, and Pulumi deletes the one before it at the end of the update.
 */
export function createGenerations<T>(generation: number, create: (generation: number) => T): Generations<T> {
  return generation === 1 ? [create(1)] : [create(generation), create(generation - 1)];
}

/** Creates the values of a secret. @param name prefix of the resources. */
export function createSecrets(
  name: string,
  generation: number,
  parent: pulumi.Resource,
): Generations<pulumi.Output<string>> {
  return createGenerations(
    generation,
    (each) =>
      new random.RandomPassword(`${name}-${each}`, { length: SECRET_LENGTH, special: false }, { parent })
        .result,
  );
}
