/** What a stack costs in a month in which the simulated load repeats. */
import { PRICES } from "./prices.ts";

/** AWS computes months with this number of hours. */
const MONTH_HOURS = 730;

/** What the stack declares and AWS charges for. */
export interface Deployment {
  readonly taskCpus: number;
  readonly taskGB: number;
  /** Whether every task has a public address. */
  readonly hasPublicTasks: boolean;
  /** One for each subnet of a load balancer that is public. */
  readonly publicLoadBalancerAddresses: number;
  readonly hasBackplane: boolean;
}

/** What AWS charges by use. */
export interface Usage {
  readonly minutes: readonly {
    /** New connections, refused ones included. */
    readonly upgrades: number;
    /** Open connections. */
    readonly connections: number;
  }[];
  readonly taskHours: number;
}

/** US dollars a month. Data transfer, CloudFront's requests, ElastiCache's processing units, logs and metrics are left out. */
export interface MonthlyCost {
  readonly tasks: number;
  /** Includes capacity units, as far as new and open connections determine them. */
  readonly loadBalancer: number;
  readonly publicAddresses: number;
  /** The minimum. */
  readonly backplane: number;
  readonly total: number;
}

export function monthlyCost(
  { taskCpus, taskGB, hasPublicTasks, publicLoadBalancerAddresses, hasBackplane }: Deployment,
  { minutes, taskHours }: Usage,
): MonthlyCost {
  const averageTasks = taskHours / (minutes.length / 60);
  const { newConnectionsPerSecond, activeConnections } = PRICES.capacityUnit;
  const capacityUnits = average(
    minutes.map(({ upgrades, connections }) =>
      Math.max(upgrades / 60 / newConnectionsPerSecond, connections / activeConnections),
    ),
  );
  const hourly = {
    tasks: averageTasks * (taskCpus * PRICES.fargateCpuHour + taskGB * PRICES.fargateGBHour),
    loadBalancer: PRICES.loadBalancerHour + capacityUnits * PRICES.capacityUnitHour,
    publicAddresses:
      ((hasPublicTasks ? averageTasks : 0) + publicLoadBalancerAddresses) * PRICES.publicAddressHour,
    backplane: hasBackplane ? PRICES.backplaneMinGB * PRICES.backplaneGBHour : 0,
  };
  const { tasks, loadBalancer, publicAddresses, backplane } = hourly;
  return {
    tasks: tasks * MONTH_HOURS,
    loadBalancer: loadBalancer * MONTH_HOURS,
    publicAddresses: publicAddresses * MONTH_HOURS,
    backplane: backplane * MONTH_HOURS,
    total: (tasks + loadBalancer + publicAddresses + backplane) * MONTH_HOURS,
  };
}

function average(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
