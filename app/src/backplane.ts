/** The message log that the settings ask for, and what else tasks share through it. */
import type { Logger } from "pino";

import type { MessageLog } from "./log/log.ts";
import { createMemoryLog } from "./log/memory/memoryLog.ts";
import type { Metrics } from "./metrics/metrics.ts";
import type { TaskRegistry } from "./rebalance.ts";
import type { Settings } from "./settings/settings.ts";

export interface Backplane {
  readonly log: MessageLog;
  /** None where this task is alone. */
  readonly registry: TaskRegistry | undefined;
}

export async function openBackplane(
  settings: Settings,
  metrics: Metrics,
  logger: Logger,
): Promise<Backplane> {
  if (settings.valkeyUrl === "") return { log: createMemoryLog(settings), registry: undefined };

  // Loaded where it is used: a task alone needs no client.
  const { createValkeyLog } = await import("./log/valkey/valkeyLog.ts");
  const log = createValkeyLog({
    ...settings,
    url: settings.valkeyUrl,
    password: settings.valkeyPassword,
    cluster: settings.valkeyCluster,
    blockMs: settings.valkeyBlockMs,
    logger,
    onAppended: (seconds) => {
      metrics.observe("append", seconds);
    },
  });
  return { log, registry: log.registry };
}
