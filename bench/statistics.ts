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
export function ratios(values: Values, base: Values): readonly number[] {
  return compare(values, base, (value, other) => (other === 0 ? undefined : value / other));
}

/** Differences of values to those of a base by repetition. */
export function differences(values: Values, base: Values): readonly number[] {
  return compare(values, base, (value, other) => value - other);
}

type Values = readonly (number | undefined)[];

function compare(
  values: Values,
  base: Values,
  by: (value: number, other: number) => number | undefined,
): readonly number[] {
  return values.flatMap((value, repetition) => {
    const other = base[repetition];
    const compared = value === undefined || other === undefined ? undefined : by(value, other);
    return compared === undefined ? [] : [compared];
  });
}
