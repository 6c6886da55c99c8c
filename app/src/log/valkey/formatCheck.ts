import { setTimeout as delay } from "node:timers/promises";

import type { Logger } from "pino";

import { RecurringProblem } from "../../metrics/recurringProblem.ts";
import { COMMON_PARTITION, FORMAT_KEY, PARTITIONS } from "./connection/partitions.ts";
import type { ValkeyNodes } from "./connection/valkeyNodes.ts";
import { formatScript } from "./scripts/taskScripts.ts";

/** Version of the layout of the keys: see docs/decisions/0037. */
const VERSION = 2;

/** Delay before a refused request is repeated, in milliseconds. */
const RETRY_MS = 100;

export interface FormatCheckParts {
  readonly nodes: ValkeyNodes;
  /** Called once, when the server is known to have this format. */
  readonly onMatch: () => void;
  /** Called once if the server has another format. This task can use nothing on it. */
  readonly onMismatch: (error: Error) => void;
  readonly logger: Logger;
}

/** Compares the format of the log in Valkey with that of this task. A server without a format receives that of this task. */
export class FormatCheck {
  readonly #parts: FormatCheckParts;
  readonly #refusal: RecurringProblem;
  #state: "unknown" | "same" | "other" = "unknown";
  #isRunning = false;
  #isClosed = false;

  constructor(parts: FormatCheckParts) {
    this.#parts = parts;
    this.#refusal = new RecurringProblem({
      logger: parts.logger,
      begun: "Valkey refuses to return its format",
      ended: "Valkey returns its format",
    });
  }

  get hasPassed(): boolean {
    return this.#state === "same";
  }

  /** Compares the formats until the server has replied. Call it each time it is available: it may have lost everything. */
  async run(): Promise<void> {
    if (this.#isRunning || this.#state === "other") return;
    this.#isRunning = true;
    while (!this.#isClosed) {
      const node = this.#parts.nodes.connected(COMMON_PARTITION);
      if (node === undefined) break;
      const [outcome] = await node.run(formatScript, [{ keys: [FORMAT_KEY], args: [VERSION, PARTITIONS] }]);
      if (outcome?.kind === "answered") {
        // The reply of the format script.
        const [version, partitions] = (outcome.reply as readonly unknown[]).map(Number);
        this.#compare(version, partitions);
        break;
      }
      if (outcome?.kind === "refused") this.#refusal.note(outcome.error);
      await delay(RETRY_MS);
    }
    this.#isRunning = false;
  }

  close(): void {
    this.#isClosed = true;
  }

  #compare(version: number | undefined, partitions: number | undefined): void {
    if (version === VERSION && partitions === PARTITIONS) {
      if (this.#state === "unknown") {
        this.#state = "same";
        this.#parts.onMatch();
      }
      return;
    }
    this.#state = "other";
    this.#parts.onMismatch(
      new Error(
        `Valkey has a log of format ${version} with ${partitions} partitions; expected format ${VERSION} with ` +
          `${PARTITIONS} partitions. Fix: use an empty cache, or the version of the server that wrote it.`,
      ),
    );
  }
}
