const MIB_PER_GIB = 1024;

/**
 * Memory in GiB that Fargate offers a Linux task, on ARM64 as on x86, by its CPU units (Amazon ECS Developer Guide, "Amazon ECS
 * task definition parameters for Fargate", task size).
 */
const MEMORY_GIB: Readonly<Record<number, readonly number[]>> = {
  256: [0.5, 1, 2],
  512: range(1, 4, 1),
  1024: range(2, 8, 1),
  2048: range(4, 16, 1),
  4096: range(8, 30, 1),
  8192: range(16, 60, 4),
  16_384: range(32, 120, 8),
  32_768: [60, 120, 244],
};

/** CPU units that Fargate offers, ascending. */
export const CPU_CHOICES: readonly number[] = Object.keys(MEMORY_GIB).map(Number);

/** Memory sizes in MiB that Fargate offers for a number of CPU units, ascending; empty for other CPU units. */
export function memoryChoices(cpu: number): readonly number[] {
  return (MEMORY_GIB[cpu] ?? []).map((gib) => gib * MIB_PER_GIB);
}

function range(from: number, to: number, step: number): readonly number[] {
  return Array.from({ length: (to - from) / step + 1 }, (_, index) => from + index * step);
}
