const GIB = 1024;

/**
 * Memory sizes in MiB that Fargate offers for a number of CPU units, ascending; empty for CPU units that it does
 * not offer. Source: Amazon ECS Developer Guide, "Amazon ECS task definition parameters for Fargate", task size.
 */
export function memoryChoices(cpu: number): readonly number[] {
  switch (cpu) {
    case 256:
      return [512, 1 * GIB, 2 * GIB];
    case 512:
      return steps(1, 4, 1);
    case 1024:
      return steps(2, 8, 1);
    case 2048:
      return steps(4, 16, 1);
    case 4096:
      return steps(8, 30, 1);
    case 8192:
      return steps(16, 60, 4);
    case 16_384:
      return steps(32, 120, 8);
    default:
      return [];
  }
}

function steps(fromGiB: number, toGiB: number, stepGiB: number): readonly number[] {
  const count = (toGiB - fromGiB) / stepGiB + 1;
  return Array.from({ length: count }, (_, i) => (fromGiB + i * stepGiB) * GIB);
}
