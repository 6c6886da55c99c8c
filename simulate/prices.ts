/** Prices of AWS in us-east-1, in US dollars without taxes. Renew them, and the date, from the pages in `sources`. */
export const PRICES = {
  region: "us-east-1",
  date: "2026-11-30",
  sources: {
    fargate: "https://aws.amazon.com/fargate/pricing/",
    loadBalancer: "https://aws.amazon.com/elasticloadbalancing/pricing/",
    publicAddresses: "https://aws.amazon.com/vpc/pricing/",
    backplane: "https://aws.amazon.com/elasticache/pricing/",
  },
  /** Linux on ARM. */
  fargateCpuHour: 0.03238,
  fargateGBHour: 0.00356,
  loadBalancerHour: 0.0225,
  capacityUnitHour: 0.008,
  /** What one load balancer capacity unit contains. */
  capacityUnit: { newConnectionsPerSecond: 25, activeConnections: 3000 },
  publicAddressHour: 0.005,
  /** Valkey, serverless. */
  backplaneGBHour: 0.084,
  /** ElastiCache charges for at least this. */
  backplaneMinGB: 0.1,
} as const;
