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
import type { Figures } from "./support/verify.ts";

/** Light clients of each test. */
const CLIENTS = Number(process.env["FAULT_CLIENTS"] ?? 1000);

/** Duration of the last test, the longest pause between two of its faults, and the duration of a freeze. */
const COMBINED_MS = Number(process.env["FAULT_SECONDS"] ?? 8) * 1000;
const FAULT_INTERVAL_MS = 600;
const FREEZE_MS = 1000;

const TEST_TIMEOUT_MS = 240_000 + COMBINED_MS;

/** Together more than a channel retains by default, the smallest cache of a task, and all buffers on the way hold. */
const FLOOD_BYTES = 32_000;
const FLOOD_MESSAGES = 900;
const FLOOD_PER_SECOND = 100;
const FLOOD_CLIENTS = 4;

/** Less than the flood has. */
const SMALL_CACHE = { WEBSOCKET_CACHE_MIB: "4" };
/** More than the flood has, even if it goes on until the clients have noticed its end. */
const LONG_LOG = { WEBSOCKET_RETAINED_BYTES: String(4 * FLOOD_MESSAGES * FLOOD_BYTES) };

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

    /** Stops clients with SIGSTOP during a flood of their channels. Other clients must not notice it. Returns the figures of the flood. */
    async function floodStopped(channels: readonly string[], env: Record<string, string>): Promise<Figures> {
      const environment = await startUnderLoad(
        { startStore: () => startValkey(binary), clients: CLIENTS },
        {},
        ({ startTask }) => Promise.all([startTask(env), startTask(env)]),
      );
      const options = { clients: FLOOD_CLIENTS, channels, maxSubscriptions: channels.length };
      const [flood, stopped] = await Promise.all([
        environment.addGroup({ ...options, name: "flood", publishers: FLOOD_CLIENTS }),
        environment.addGroup({ ...options, name: "stopped", publishers: 0 }),
      ]);
      stopped.kill("SIGSTOP");
      const messagesPerSecond = FLOOD_PER_SECOND / channels.length;
      await flood.publish({
        messagesPerSecond,
        othersPerSecond: FLOOD_PER_SECOND - messagesPerSecond,
        paddingBytes: FLOOD_BYTES,
      });
      await waitUntil(async () => (await flood.report()).acknowledged.length >= FLOOD_MESSAGES, {
        forMs: TEST_TIMEOUT_MS,
        everyMs: 500,
      });
      const others = await environment.figures();
      stopped.kill("SIGCONT");
      assertComplete(await environment.verify());
      assertClosedBy(others, 1012);

      const figures = await environment.verify([flood, stopped]);
      // A client that reads too slowly stays connected.
      assertClosedBy(figures, 1012);
      return figures;
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
      const figures = await floodStopped(["flood"], SMALL_CACHE);
      print(figures);
      const { contradictions, lost, duplicates, reportedMissing } = figures;
      assert.deepEqual({ contradictions, lost, duplicates }, { contradictions: [], lost: 0, duplicates: 0 });
      assert.ok(reportedMissing > 0, "the server reports no missing messages");
    });

    it("delivers every message once to clients that were stopped for longer than the memory of a task lasts", async () => {
      assertComplete(await floodStopped(["flood.1", "flood.2", "flood.3"], { ...SMALL_CACHE, ...LONG_LOG }));
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
