/** Faults, on real processes under load, with Valkey: every client receives each message once, in one order. */
import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";

import type { Directive } from "../../cli/valkeyServer.ts";
import { tearDown } from "../app/support/teardown.ts";
import { requireValkey, startValkey, type TestValkey } from "../support/valkey.ts";
import { waitUntil } from "../support/waitUntil.ts";
import { assertClosedBy, assertComplete, print, stopTask } from "./support/assertions.ts";
import {
  QUICK,
  randomFrom,
  startEnvironment,
  type FaultEnvironment,
  type Task,
} from "./support/environment.ts";
import { AFTER_MS, startUnderLoad } from "./support/load.ts";
import { describeTaskAndClientFaults } from "./support/taskAndClientFaults.ts";

/** Light clients of each test. */
const CLIENTS = Number(process.env["FAULT_CLIENTS"] ?? 1000);

/** Duration of the last test, the longest pause between two of its faults, and the duration of a freeze. */
const COMBINED_MS = Number(process.env["FAULT_SECONDS"] ?? 8) * 1000;
const FAULT_INTERVAL_MS = 600;
const FREEZE_MS = 1000;

const TEST_TIMEOUT_MS = 240_000 + COMBINED_MS;

/** Together more than a channel retains and all buffers on the way hold. */
const FLOOD_BYTES = 32_000;
const FLOOD_MESSAGES = 900;
const FLOOD_CHANNELS = ["flood"];

/** Valkey writes every change to disk before it answers. */
const DURABLE: readonly Directive[] = [
  ["appendonly", "yes"],
  ["appendfsync", "always"],
];

describe("faults, with Valkey", function () {
  this.timeout(TEST_TIMEOUT_MS);

  let binary: string;

  before(async function () {
    binary = await requireValkey(this);
  });

  afterEach(tearDown);

  describeTaskAndClientFaults({ startStore: () => startValkey(binary), clients: CLIENTS });

  // The stand-in has no data on disk and no process that a signal could stop, and it is too slow for the flood.
  describe("that need a Valkey process", () => {
    async function start(
      directives: readonly Directive[] = [],
    ): Promise<{ readonly valkey: TestValkey; readonly environment: FaultEnvironment }> {
      const valkey = await startValkey(binary, directives);
      const startStore = (): Promise<TestValkey> => Promise.resolve(valkey);
      return { valkey, environment: await startUnderLoad({ startStore, clients: CLIENTS }) };
    }

    it("delivers every message once when Valkey restarts with its data", async () => {
      const { valkey, environment } = await start(DURABLE);
      await restart(valkey, "stopped");
      await delay(AFTER_MS);
      await restart(valkey, "killed");
      await delay(AFTER_MS);
      const figures = await environment.verify();
      assertComplete(figures);
      assertClosedBy(figures, 1012);
    });

    it("reports one gap to each subscription when Valkey restarts without its data", async () => {
      const { valkey, environment } = await start();
      await restart(valkey, "killed");
      await delay(AFTER_MS);
      const figures = await environment.verify();
      assertComplete(figures, { openGaps: figures.subscriptions });
    });

    it("reports the missing messages to clients that were stopped for longer than a channel retains", async () => {
      const { environment } = await start();
      const [flood, stopped] = await Promise.all([
        environment.addGroup({ name: "flood", clients: 4, publishers: 4, channels: FLOOD_CHANNELS }),
        environment.addGroup({ name: "stopped", clients: 4, publishers: 0, channels: FLOOD_CHANNELS }),
      ]);
      stopped.kill("SIGSTOP");
      await flood.publish({ messagesPerSecond: 100, paddingBytes: FLOOD_BYTES });
      await waitUntil(async () => (await flood.report()).acknowledged.length >= FLOOD_MESSAGES, {
        forMs: TEST_TIMEOUT_MS,
        everyMs: 500,
      });
      const others = await environment.figures();
      stopped.kill("SIGCONT");
      assertComplete(await environment.verify());
      assertClosedBy(others, 1012);

      const figures = await environment.verify([flood, stopped]);
      print(figures);
      const { contradictions, lost, duplicates, reportedMissing } = figures;
      assert.deepEqual({ contradictions, lost, duplicates }, { contradictions: [], lost: 0, duplicates: 0 });
      assert.ok(reportedMissing > 0, "the server reports no missing messages");
      // A client that reads too slowly receives a gap, and stays connected.
      assertClosedBy(figures, 1012);
    });

    it("delivers every message once under all faults together", async () => {
      const seed = Number(process.env["FAULT_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
      console.log(`      FAULT_SEED=${seed}`);
      const valkey = await startValkey(binary, DURABLE);
      const environment = await startEnvironment(valkey, {
        clients: CLIENTS,
        tasks: 0,
        seed,
        liveness: QUICK,
      });
      const { clientProxy, storeProxy } = environment;
      const tasks: Task[] = await Promise.all([environment.startTask(), environment.startTask()]);
      const [stopped] = await Promise.all([
        environment.addGroup({ name: "stopped", clients: 50, publishers: 0 }),
        environment.connectClients(),
      ]);
      await environment.publish();

      const stopping: Promise<number>[] = [];
      const replaceOldest = async (end: (task: Task) => void): Promise<void> => {
        tasks.push(await environment.startTask());
        const [oldest] = tasks.splice(0, 1);
        if (oldest !== undefined) end(oldest);
      };
      const faults: Readonly<Record<string, () => Promise<void> | void>> = {
        "Valkey stopped": () => restart(valkey, "stopped"),
        "Valkey killed": () => restart(valkey, "killed"),
        "Valkey frozen": async () => {
          await valkey.pause();
          await delay(FREEZE_MS);
          await valkey.resume();
        },
        "connections to Valkey reset": () => void storeProxy.reset(0.5),
        "connections to Valkey half-open": () => void storeProxy.makeHalfOpen(0.3),
        "task killed": () =>
          replaceOldest((task) => {
            task.kill("SIGKILL");
          }),
        "task replaced": () =>
          replaceOldest((task) => {
            stopping.push(stopTask(environment, task));
          }),
        "task frozen": async () => {
          const [task] = tasks;
          task?.kill("SIGSTOP");
          await delay(FREEZE_MS);
          task?.kill("SIGCONT");
        },
        "clients stopped": () => {
          stopped.kill("SIGSTOP");
        },
        "clients continued": () => {
          stopped.kill("SIGCONT");
        },
      };

      const random = randomFrom(seed);
      const names: string[] = [];
      for (const until = performance.now() + COMBINED_MS; performance.now() < until;) {
        clientProxy.reset(0.01);
        clientProxy.makeHalfOpen(0.002);
        const all = Object.entries(faults);
        const [name, cause] = all[Math.floor(random() * all.length)] ?? assert.fail();
        names.push(name);
        await cause();
        await delay(FAULT_INTERVAL_MS * random());
      }
      stopped.kill("SIGCONT");
      await Promise.all(stopping);
      await delay(AFTER_MS);
      console.log(`      ${names.join(", ")}`);
      assertComplete(await environment.verify());
    });
  });
});

async function restart(valkey: TestValkey, how: "stopped" | "killed"): Promise<void> {
  await (how === "stopped" ? valkey.shutDown() : valkey.kill());
  await valkey.start();
}
