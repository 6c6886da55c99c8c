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
