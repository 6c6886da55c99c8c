import assert from "node:assert/strict";

import { EXIT_GRACE_SECONDS } from "../../../app/src/settings/contract.ts";
import { DRAIN_SECONDS, type FaultEnvironment, type Task } from "./environment.ts";
import type { Figures } from "./verify.ts";

/** Asserts that every subscriber received every message once, and prints the figures. */
export function assertComplete(figures: Figures, { openGaps = 0 } = {}): void {
  print(figures);
  const { contradictions, lost, reportedMissing, duplicates } = figures;
  assert.deepEqual(
    { contradictions, lost, reportedMissing, duplicates, openGaps: figures.openGaps },
    { contradictions: [], lost: 0, reportedMissing: 0, duplicates: 0, openGaps },
  );
  assert.ok(figures.rejected >= figures.clients, `${figures.rejected} rejected subscribes`);
}

/** Asserts that connections ended by these codes only. With 1012, a task moves clients to another task at any time. */
export function assertClosedBy({ closes }: Pick<Figures, "closes">, ...codes: readonly number[]): void {
  for (const code of Object.keys(closes)) assert.ok(codes.includes(Number(code)), JSON.stringify(closes));
}

export function print(figures: Figures): void {
  const { messages, clients, subscriptions, deliveries, reconnects, renewals, rejected, openGaps } = figures;
  const { longestPauseMs, longestSubscribeMs, lost, reportedMissing, duplicates, closes } = figures;
  console.log(
    `      ${messages} messages, ${clients} clients, ${subscriptions} subscriptions, ${deliveries} deliveries, ` +
      `${reconnects} reconnects, ${renewals} renewals, ${rejected} rejected subscribes, ` +
      (openGaps === 0 ? "" : `${openGaps} new epochs, `) +
      `longest pause ${Math.round(longestPauseMs)} ms, longest subscribe ${Math.round(longestSubscribeMs)} ms, ` +
      `${lost} lost, ${reportedMissing} reported missing, ` +
      `${duplicates} duplicates; closes: ${JSON.stringify(closes)}`,
  );
}

/** Stops a task as a deployment does: no new connections, then SIGTERM. Returns the seconds until the exit. */
export async function stopTask({ clientProxy }: FaultEnvironment, task: Task): Promise<number> {
  clientProxy.targets.delete(task.port);
  const stoppedAt = performance.now();
  task.kill("SIGTERM");
  const { code, output } = await task.ended;
  const seconds = (performance.now() - stoppedAt) / 1000;
  assert.equal(code, 0, output);
  assert.ok(seconds < DRAIN_SECONDS + EXIT_GRACE_SECONDS, `the task stopped after ${seconds} s`);
  return seconds;
}
