/** The message log that the settings choose, and the registry of tasks. */
import type { Logger } from "pino";

import type { MessageLog, TaskRegistry } from "./log/log.ts";
import { createMemoryLog } from "./log/memory/memoryLog.ts";
import { createRetention } from "./log/retention.ts";
import type { Metrics } from "./metrics/metrics.ts";
import type { Settings } from "./settings/settings.ts";
import { MIB } from "./settings/units.ts";

export interface Backplane {
  readonly log: MessageLog;
  /** `undefined` if the tasks share no log. */
  readonly registry: TaskRegistry | undefined;
}

/**
 * Opens the log in Valkey, or in the memory of the process if there is no Valkey.
 * @param onUnusable called if Valkey has a log of another format, which this task must not use. @default nothing
 */
export async function openBackplane(
  settings: Settings,
  metrics: Metrics,
  logger: Logger,
  onUnusable: (error: Error) => void = () => undefined,
): Promise<Backplane> {
  const retentionOf = createRetention(settings);
  if (settings.valkeyUrl === "") {
    const maxBytes = settings.cacheMib * MIB;
    return { log: createMemoryLog({ retentionOf, maxBytes }), registry: undefined };
  }

  // Loaded only if it is used.
  const { createValkeyLog } = await import("./log/valkey/valkeyLog.ts");
  const log = createValkeyLog({
    ...settings,
    retentionOf,
    url: settings.valkeyUrl,
    password: settings.valkeyPassword,
    cluster: settings.valkeyCluster,
    logger,
    onAppended: (seconds) => {
      metrics.observe("append", seconds);
    },
    onFormatMismatch: onUnusable,
  });
  return { log, registry: log.registry };
}
