/** Faults of tasks, clients and connections, on any store of the message log. */
/* eslint-disable mocha/no-exports -- a suite that runs once per store, from the test file of each. */
import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";

import { waitUntil } from "../../support/waitUntil.ts";
import { assertClosedBy, assertComplete, stopTask } from "./assertions.ts";
import { QUICK, type Task } from "./environment.ts";
import { AFTER_MS, type FaultTarget, startUnderLoad } from "./load.ts";

/** Long, because a task must not close clients that are only slow on a busy machine. */
const SHORT_HEARTBEAT_SECONDS = 10;

/** Clients that stop, half of them at each task. */
const STOPPED = 50;

/** The stopped clients of {@link SHORT_HEARTBEAT_SECONDS} must not delay the others by more than this share of that time. */
const MAX_PAUSE_SHARE = 0.7;

const WAIT_TIMEOUT_MS = 90_000;

/** Connections above the average that a task may have in the end: the share that the server allows, and some more. */
const MAX_EXCESS_SHARE = 0.12;
const MAX_EXCESS = 12;

/** Connects within one second: at most this share of all clients. Fewer clients than {@link FEW_CLIENTS} may connect at once. */
const MAX_CONNECT_SHARE = 0.85;
const FEW_CLIENTS = 500;

export function describeTaskAndClientFaults(target: FaultTarget): void {
  it("delivers every message once when a task is killed", async () => {
    const tasks: Task[] = [];
    const environment = await startUnderLoad(target, {}, async ({ startTask }) => {
      tasks.push(...(await Promise.all([startTask(), startTask()])));
    });
    tasks[0]?.kill("SIGKILL");
    await tasks[0]?.ended;
    await delay(AFTER_MS);
    const figures = await environment.verify();
    assertComplete(figures);
    // About half of the clients were connected to this task.
    assert.ok(figures.reconnects >= figures.clients / 3, `${figures.reconnects} reconnects`);
  });

  it("delivers every message once when client processes stop and continue, and delays no other client", async () => {
    const environment = await startUnderLoad(target, {}, ({ startTask }) =>
      Promise.all([startTask(), startTask({ WEBSOCKET_HEARTBEAT_SECONDS: String(SHORT_HEARTBEAT_SECONDS) })]),
    );
    const { clientProxy } = environment;
    const stopped = await environment.addGroup({ name: "stopped", clients: STOPPED, publishers: 0 });
    const [before, stoppedAt] = [clientProxy.endedByTarget, performance.now()];
    stopped.kill("SIGSTOP");
    // One task closes its stopped clients after a heartbeat.
    await waitUntil(() => clientProxy.endedByTarget >= before + STOPPED / 5, {
      forMs: WAIT_TIMEOUT_MS,
      everyMs: 100,
    });
    const stoppedMs = performance.now() - stoppedAt;
    const others = await environment.figures();
    stopped.kill("SIGCONT");
    assertComplete(await environment.verify());
    assertClosedBy(others, 1012);
    console.log(`      longest pause of the other clients: ${Math.round(others.longestPauseMs)} ms`);
    assert.ok(others.longestPauseMs < stoppedMs * MAX_PAUSE_SHARE, "the other clients waited");
    const { counts } = await stopped.report();
    assert.ok(counts.reconnects > 0, "one task closes the stopped clients");
    assert.ok(counts.reconnects < counts.clients, "the other task keeps them");
  });

  it("delivers every message once when connections are reset or half-open, those to the store too", async () => {
    const environment = await startUnderLoad(target, { liveness: QUICK });
    const { clientProxy, storeProxy } = environment;
    let [resets, halfOpen, toStore] = [0, 0, 0];
    for (let round = 1; round <= 16; round++) {
      resets += clientProxy.reset(0.03);
      halfOpen += clientProxy.makeHalfOpen(0.0075);
      if (round % 4 === 0) toStore += storeProxy.reset(0.5);
      if (round === 6) toStore += storeProxy.makeHalfOpen(0.5);
      await delay(250);
    }
    await delay(AFTER_MS);
    const figures = await environment.verify();
    console.log(`      ${resets} resets, ${halfOpen} half-open, ${toStore} of the store's connections`);
    assertComplete(figures);
  });

  it("stops replaced tasks in time, and spreads the reconnects of their clients", async () => {
    const old: Task[] = [];
    const environment = await startUnderLoad(target, {}, async ({ startTask }) => {
      old.push(...(await Promise.all([startTask(), startTask()])));
    });
    await Promise.all([environment.startTask(), environment.startTask()]);
    const stoppedAt = performance.now();
    const seconds = await Promise.all(old.map((task) => stopTask(environment, task)));
    await delay(AFTER_MS);
    const figures = await environment.verify();
    const peak = maxWithin(
      1000,
      environment.clientProxy.connectedAt.filter((at) => at > stoppedAt),
    );
    const exits = seconds.map((time) => time.toFixed(1)).join(" and ");
    console.log(`      exits after ${exits} s; at most ${peak} connects in a second`);
    assertComplete(figures);
    assertClosedBy(figures, 1001, 1012);
    assert.ok(
      peak <= Math.max(FEW_CLIENTS, figures.clients * MAX_CONNECT_SHARE),
      `${peak} connects in a second`,
    );
  });

  it("moves connections to an added task until they are nearly even", async () => {
    const environment = await startUnderLoad(target);
    await environment.startTask();
    const addedAt = performance.now();
    const { clientProxy } = environment;
    const counts = (): number[] => [...clientProxy.targets].map((port) => clientProxy.connections(port));
    const isNearlyEven = (): boolean => {
      const all = counts();
      const average = all.reduce((sum, count) => sum + count, 0) / all.length;
      return Math.max(...all) <= average + Math.max(average * MAX_EXCESS_SHARE, MAX_EXCESS);
    };
    await waitUntil(isNearlyEven, { forMs: WAIT_TIMEOUT_MS, everyMs: 100 });
    const seconds = (performance.now() - addedAt) / 1000;
    const figures = await environment.verify();
    console.log(`      nearly even after ${seconds.toFixed(1)} s: ${counts().join(", ")} connections`);
    assertComplete(figures);
    assertClosedBy(figures, 1012);
  });
}

/** The largest number of times that lie within one span. */
function maxWithin(spanMs: number, times: readonly number[]): number {
  let first = 0;
  let most = 0;
  for (const [index, time] of times.entries()) {
    while (time - (times[first] ?? time) > spanMs) first += 1;
    most = Math.max(most, index - first + 1);
  }
  return most;
}
