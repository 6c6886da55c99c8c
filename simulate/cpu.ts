/** The CPU that the clients of a service need. */
import { HEARTBEAT_MICROSECONDS } from "../infra/config/rules/taskCapacity.ts";

/** CPU time, near the measurements of docs/capacity.md. A delivery counts as one that arrives alone, which needs the most. */
const MICROSECONDS = { handshake: 81, heartbeat: HEARTBEAT_MICROSECONDS, delivery: 6.2 } as const;

/** The server uses one thread. */
const MAX_CPUS = 1;

const MICROSECONDS_PER_MINUTE = 60_000_000;

/** The tasks of a service. */
export interface TaskCpu {
  /** CPUs of a task. */
  readonly cpus: number;
  /** Time between two pings to a client. */
  readonly heartbeatSeconds: number;
}

/** What all clients of a service did in a minute. */
interface MinuteOfClients {
  readonly upgrades: number;
  readonly connections: number;
  readonly messages: number;
}

/** @returns the average of the tasks, in percent of their CPUs, and whether the clients needed more than they have. */
export function cpuOf(
  { cpus, heartbeatSeconds }: TaskCpu,
  tasks: number,
  { upgrades, connections, messages }: MinuteOfClients,
): { readonly percent: number; readonly isOverloaded: boolean } {
  if (tasks === 0) return { percent: 0, isOverloaded: false };
  const needed =
    upgrades * MICROSECONDS.handshake +
    connections * (60 / heartbeatSeconds) * MICROSECONDS.heartbeat +
    messages * MICROSECONDS.delivery;
  const neededCpus = needed / MICROSECONDS_PER_MINUTE / tasks;
  const usableCpus = Math.min(cpus, MAX_CPUS);
  return {
    percent: (100 * Math.min(neededCpus, usableCpus)) / cpus,
    isOverloaded: neededCpus > usableCpus,
  };
}
