/** What exists for the generation in use, and for the one before it, newest first. */
export type Generations<T> = readonly [current: T, ...previous: T[]];

/**
 * Makes what a secret needs, for its generation and the one before it; the first has none before it.
 *
 * A secret is renewed by raising its generation by one: whoever checks it accepts both, so nobody is shut out between the
 * moment in which one end learns the new value and that in which the other does. `make` must give its resources names that
 * carry the generation: then the one before keeps its value, and the one before that is deleted when the update is through.
 */
export function generationsInUse<T>(generation: number, make: (generation: number) => T): Generations<T> {
  return generation === 1 ? [make(1)] : [make(generation), make(generation - 1)];
}
