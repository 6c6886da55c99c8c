const MIB_PER_GIB = 1024;

/**
 * Memory sizes of a Linux task in GiB by its CPU units, for ARM64 and x86.
 * @see https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_definition_parameters.html#task_size
 */
const MEMORY_GIB = {
  256: [0.5, 1, 2],
  512: range(1, 4, 1),
  1024: range(2, 8, 1),
  2048: range(4, 16, 1),
  4096: range(8, 30, 1),
  8192: range(16, 60, 4),
  16_384: range(32, 120, 8),
  32_768: [60, 120, 244],
} as const satisfies Readonly<Record<number, readonly number[]>>;

/** CPU units that Fargate offers. */
type Cpu = keyof typeof MEMORY_GIB;

/** CPU units that Fargate offers, in ascending order. */
// Object.keys returns texts.
export const CPU_CHOICES = Object.keys(MEMORY_GIB).map(Number) as readonly Cpu[];

/** Returns the memory sizes in MiB for a number of CPU units, in ascending order; none if Fargate does not offer the number. */
export function memoryChoices(cpu: number): readonly number[] {
  const sizes: Readonly<Record<number, readonly number[]>> = MEMORY_GIB;
  return (sizes[cpu] ?? []).map((gib) => gib * MIB_PER_GIB);
}

function range(from: number, to: number, step: number): readonly number[] {
  return Array.from({ length: (to - from) / step + 1 }, (_, index) => from + index * step);
}
