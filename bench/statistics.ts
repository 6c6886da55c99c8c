/** Median, minimum and maximum of repeated measurements. */

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** @returns `undefined` without values. */
export function spread(values: readonly number[]): Spread | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  const [min] = sorted;
  const max = sorted.at(-1);
  if (min === undefined || max === undefined) return undefined;
  const middle = (sorted.length - 1) / 2;
  const [low = min, high = max] = [sorted[Math.floor(middle)], sorted[Math.ceil(middle)]];
  return { median: (low + high) / 2, min, max };
}

/**
 * Ratios of values to those of a base by repetition. The two runs of a repetition follow each other, so a disturbance of the
 * machine affects both.
 * @param values by repetition.
 */
export function ratios(
  values: readonly (number | undefined)[],
  base: readonly (number | undefined)[],
): readonly number[] {
  return values.flatMap((value, repetition) => {
    const divisor = base[repetition];
    return value === undefined || divisor === undefined || divisor === 0 ? [] : [value / divisor];
  });
}
