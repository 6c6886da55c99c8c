/** The tasks of a run, all in this process, and what they receive. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

import type { Backplane, Design } from "./backplane.ts";
import type { Cluster } from "./cluster.ts";

export const TASKS = 3;

export interface Received {
  readonly task: number;
  readonly channel: string;
  readonly first: number;
  readonly payloads: readonly string[];
}

export interface Tasks {
  /** Follows channels: each one in all tasks but one, or in all. Resolves when all tasks follow. */
  follow(channels: readonly string[], everywhere?: boolean): Promise<void>;
  unfollow(channels: readonly string[]): Promise<void>;
  verify(): Promise<void>;
  refresh(): Promise<void>;
  /** Appends in one of the tasks. */
  append(channel: string, payload: string, task?: number): Promise<void>;
  close(): void;
}

/** @param onReceived is called for each delivery to a task. */
export async function openTasks(
  design: Design,
  cluster: Cluster,
  onReceived: (received: Received) => void,
  dropEvery?: number,
): Promise<Tasks> {
  const tasks = await Promise.all(
    Array.from({ length: TASKS }, (_, task) =>
      design.open({
        cluster,
        name: `task-${task}`,
        onEntries: (channel, first, payloads) => {
          onReceived({ task, channel, first, payloads });
        },
        ...(dropEvery !== undefined && { dropEvery }),
      }),
    ),
  );
  const all = (call: (backplane: Backplane, task: number) => Promise<void>): Promise<unknown> =>
    Promise.all(tasks.map(call));

  return {
    async follow(channels, everywhere = false) {
      await all((task, index) =>
        task.follow(everywhere ? channels : channels.filter((_, channel) => channel % TASKS !== index)),
      );
    },
    async unfollow(channels) {
      await all((task) => task.unfollow(channels));
    },
    async verify() {
      await all((task) => task.verify());
    },
    async refresh() {
      await all((task) => task.refresh());
    },
    async append(channel, payload, task = 0) {
      await tasks[task % TASKS]?.append(channel, payload);
    },
    close() {
      for (const task of tasks) task.close();
    },
  };
}

/** Returns the memory of this process's objects after a garbage collection, in bytes. */
export function heapBytes(): number {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
  return process.memoryUsage().heapUsed;
}
