import { setTimeout as delay } from "node:timers/promises";

import type { TestStore } from "../../support/valkey.ts";
import { type EnvironmentOptions, type FaultEnvironment, startEnvironment } from "./environment.ts";

/** Time of the load before and after the fault. */
const BEFORE_MS = 500;
export const AFTER_MS = 1000;

export interface FaultTarget {
  readonly startStore: () => Promise<TestStore>;
  /** Light clients of each test. */
  readonly clients: number;
}

/** Starts the environment with its clients, which publish for a while. */
export async function startUnderLoad(
  { startStore, clients }: FaultTarget,
  options: Partial<EnvironmentOptions> = {},
  startTasks?: (environment: FaultEnvironment) => Promise<unknown>,
): Promise<FaultEnvironment> {
  const environment = await startEnvironment(await startStore(), {
    clients,
    ...(startTasks === undefined ? {} : { tasks: 0 }),
    ...options,
  });
  await startTasks?.(environment);
  await environment.connectClients();
  await environment.publish();
  await delay(BEFORE_MS);
  return environment;
}
