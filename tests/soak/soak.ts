/**
 * The soak: clients of `channels.v1` publish through the edge of a local stack all the time, while the stack deploys, scales, and loses
 * tasks and its backplane. The clients record everything that they receive.
 */
import assert from "node:assert/strict";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

import { childEnvironment } from "../../cli/childEnvironment.ts";
import { evaluateStack } from "../../infra/evaluation/evaluate.ts";
import { readStackFiles } from "../../infra/evaluation/stackFiles.ts";
import type { StackEvent } from "../../local/events.ts";
import { readScaling } from "../../local/model/scaling/declaredScaling.ts";
import { readService } from "../../local/model/service.ts";
import { withNamespaces } from "../../local/overrides.ts";
import { startStack } from "../../local/stack.ts";
import { DEFAULT_CHANNEL } from "../faults/support/clientGroup.ts";
import { startLightGroup } from "../faults/support/startGroup.ts";
import { type Figures, verify } from "../faults/support/verify.ts";
import { waitUntil } from "../support/waitUntil.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");

const MIN_TASKS = 2;
const CHANNELS = [DEFAULT_CHANNEL, ...Array.from({ length: 20 }, (_, n) => `room.${n + 1}`)];
const MAX_SUBSCRIPTIONS = 5;
const LOAD = { messagesPerSecond: 15, othersPerSecond: 30, renewalsPerSecond: 5, paddingBytes: 20 };
const PUBLISHERS = 10;
/** Minutes of the autoscaler in a real minute. */
const SPEED = 60;
/** Timeout of a handshake and an acknowledgement. */
const CLIENT_TIMEOUT_MS = 30_000;
/** Timeout of one step: a deployment, the replacement of a task, a change of the number of tasks. */
const STEP_MS = 180_000;
const POLL_MS = 100;

export interface SoakOptions {
  readonly clients: number;
  /** Rolling deployments, one after the other. */
  readonly deployments: number;
  /** Tasks that get SIGKILL, one after the other. */
  readonly kills: number;
  /** Tasks to which the service scales out. */
  readonly maxTasks: number;
  /** Path of a valkey-server. */
  readonly valkeyServer: string;
  /** Called before every step of a phase. */
  readonly onStep?: (text: string) => void;
  /** Called after every phase. */
  readonly onPhase: (phase: Phase) => void;
}

export interface Phase {
  readonly name: string;
  readonly seconds: number;
  /** Reconnects of all clients in the phase. */
  readonly reconnects: number;
}

/** Resolves when every message is acknowledged and delivered. The caller calls `tearDown` afterwards. */
export async function runSoak(options: SoakOptions): Promise<Figures> {
  const { clients, deployments, kills, maxTasks, onStep, onPhase } = options;
  const graph = await evaluateStack({
    stack: "dev",
    config: withNamespaces(
      {
        minTasks: String(MIN_TASKS),
        maxTasks: String(maxTasks),
        connectionsPerTask: String(clients),
        requestsPerTarget: "0",
        cpuPercent: "0",
      },
      readStackFiles(ROOT, "dev").project,
    ),
  });
  await using disk = await persistentValkey(options.valkeyServer);
  const events: StackEvent[] = [];
  const stack = await startStack(
    graph,
    {
      edgePort: 0,
      loadBalancerPort: 0,
      apiGatewayPort: 0,
      speed: SPEED,
      valkeyServer: disk.binary,
      entry: path.join(ROOT, "app", "src", "main.ts"),
      cacheDirectory: path.join(ROOT, "node_modules", ".cache", "local-stack"),
      baseEnvironment: childEnvironment(process.env),
    },
    (event) => {
      events.push(event);
    },
  );
  await using ending = new AsyncDisposableStack();
  ending.defer(() => stack.close());
  const { tasks, autoscaler } = stack;
  const scaling = readScaling(graph);
  assert.ok(tasks !== undefined && autoscaler !== undefined && scaling !== undefined);
  const { cpuUnits } = readService(graph);
  await stack.ready;

  const group = await startLightGroup({
    url: stack.urls.websocket,
    clients,
    publishers: PUBLISHERS,
    channels: CHANNELS,
    maxSubscriptions: MAX_SUBSCRIPTIONS,
    name: "soak",
    timeoutMs: CLIENT_TIMEOUT_MS,
  });
  await group.publish(LOAD);

  /** Waits until only healthy tasks of the current revision run, as many as desired, and every client is connected to one of them. */
  const settled = (desired: () => boolean = () => true): Promise<void> =>
    waitUntil(
      () => {
        const revision = tasks.deployments().at(-1)?.revision;
        const status = stack.status();
        return (
          desired() &&
          status.length === tasks.desiredCount &&
          status.every((task) => task.revision === revision && task.health === "healthy") &&
          status.reduce((sum, { open }) => sum + open, 0) >= clients
        );
      },
      { forMs: STEP_MS, everyMs: POLL_MS },
    );

  const setTarget = (target: number): void => {
    const policies = scaling.policies.map((policy) => ({ ...policy, target }));
    autoscaler.update({ scaling: { ...scaling, policies }, cpuUnits });
  };

  async function run(name: string, count: number, step: () => Promise<void>): Promise<void> {
    const before = await group.report();
    const startedAt = performance.now();
    for (let n = 1; n <= count; n++) {
      onStep?.(`${name}: ${n} of ${count}`);
      await step();
    }
    const after = await group.report();
    onPhase({
      name,
      seconds: (performance.now() - startedAt) / 1000,
      reconnects: after.counts.reconnects - before.counts.reconnects,
    });
  }

  await run(`${deployments} rolling deployments`, deployments, async () => {
    tasks.deploy();
    await settled(() => tasks.deployments().at(-1)?.state === "completed");
  });

  await run(`${kills} SIGKILLs`, kills, async () => {
    const [busiest] = stack.status().toSorted((one, other) => other.open - one.open);
    assert.ok(busiest);
    tasks.task(busiest.id)?.signal("SIGKILL");
    await settled(() => stack.status().every(({ id }) => id !== busiest.id));
  });

  await run(`scale-out to ${maxTasks} tasks, and back`, 1, async () => {
    const share = clients / maxTasks;
    setTarget(share);
    await settled(() => tasks.desiredCount === maxTasks);
    // The tasks move connections to the added ones.
    await waitUntil(() => stack.status().every(({ open }) => open >= share / 2), {
      forMs: STEP_MS,
      everyMs: POLL_MS,
    });
    setTarget(clients);
    await settled(() => tasks.desiredCount === MIN_TASKS);
  });

  await run("restart of the backplane with its data", 1, async () => {
    const starts = events.filter((event) => event.event === "backplane-started");
    const running = starts.at(-1);
    assert.ok(running);
    process.kill(running.pid, "SIGKILL");
    const { acknowledged } = await group.report();
    await waitUntil(
      async () =>
        events.filter(({ event }) => event === "backplane-started").length > starts.length &&
        (await group.report()).acknowledged.length > acknowledged.length,
      { forMs: STEP_MS, everyMs: POLL_MS },
    );
  });

  return await verify([group]);
}

/** A valkey-server that writes every change to disk before it answers, and reads it when it starts again. */
async function persistentValkey(binary: string): Promise<AsyncDisposable & { readonly binary: string }> {
  const folder = await mkdtemp(path.join(tmpdir(), "websocket-soak-"));
  const wrapper = path.join(folder, "valkey-server");
  await writeFile(
    wrapper,
    `#!/bin/sh\nexec '${binary}' "$@" --dir '${folder}' --appendonly yes --appendfsync always\n`,
  );
  await chmod(wrapper, 0o755);
  return {
    binary: wrapper,
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}
