/** Faults, on real processes under load: whatever happens, every client sees each message once, in one order. */
import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";

import { EXIT_GRACE_SECONDS } from "../../app/src/settings/contract.ts";
import type { Directive } from "../../cli/valkeyServer.ts";
import { tearDown } from "../app/support.ts";
import { requireValkey, type TestValkey } from "../support/valkey.ts";
import { waitUntil } from "../support/waitUntil.ts";
import { DRAIN_SECONDS, type Figures, randomFrom, setStage, type Stage, type Task } from "./support/stage.ts";

/** Load before the fault, and after it. */
const BEFORE_MS = 500;
const AFTER_MS = 1000;

/** How long everything happens together, how fast one thing follows another, and how long a process is frozen. */
const CHAOS_MS = Number(process.env["FAULT_SECONDS"] ?? 8) * 1000;
const DEED_INTERVAL_MS = 600;
const FREEZE_MS = 1000;

const TEST_TIMEOUT_MS = 90_000 + CHAOS_MS;

/** How long client processes are stopped: so that whoever waited for them would show it. */
const ASLEEP_MS = 10_000;
/** What comes meanwhile, together: more than is retained and all buffers on the way hold. */
const FLOOD_BYTES = 32_000;
const FLOOD_MESSAGES = 900;

/** What a task may have above the average, as a share of it and in connections: the server's own idea, and the test's slack. */
const NEAR_EVEN = 0.12;
const NEAR_EVEN_CONNECTIONS = 12;

/** Connects within one second that are no herd yet, as a share of all clients; a small crowd may come at once. */
const MOST_AT_ONCE = 0.85;
const SMALL_CROWD = 500;

/** Every answer is on disk before it is given. */
const DURABLE: readonly Directive[] = [
  ["appendonly", "yes"],
  ["appendfsync", "always"],
];

describe("under faults, nothing is lost and nothing doubled", function () {
  this.timeout(TEST_TIMEOUT_MS);

  let binary: string;

  before(async function () {
    binary = await requireValkey(this);
  });

  afterEach(tearDown);

  it("when a task is killed: its clients go on at another one", async () => {
    const stage = await setStage(binary, { tasks: 0 });
    const [doomed] = await Promise.all([stage.startTask(), stage.startTask()]);
    await stage.assemble();
    await stage.publish();
    await delay(BEFORE_MS);
    doomed.kill("SIGKILL");
    await doomed.ended;
    await delay(AFTER_MS);
    const figures = await stage.conclude();
    assertWhole(figures);
    // Half of them were there, about.
    assert.ok(figures.reconnects >= figures.readers / 3);
  });

  it("when Valkey restarts with its data, stopped and killed", async () => {
    const stage = await setStage(binary, { directives: DURABLE });
    await stage.assemble();
    await stage.publish();
    await delay(BEFORE_MS);
    await restart(stage.valkey, "stopped");
    await delay(AFTER_MS);
    await restart(stage.valkey, "killed");
    await delay(AFTER_MS);
    const figures = await stage.conclude();
    assertWhole(figures);
    assertClosedBy(figures, 1012);
  });

  it("when Valkey restarts without its data: each client is told, and what comes then is whole", async () => {
    const stage = await setStage(binary);
    await stage.assemble();
    await stage.publish();
    await delay(BEFORE_MS);
    await restart(stage.valkey, "killed");
    await delay(AFTER_MS);
    const figures = await stage.conclude();
    assertWhole(figures, { renewals: figures.readers });
  });

  it("when client processes are stopped for ten seconds", async () => {
    const stage = await setStage(binary, { tasks: 0 });
    // One waits for clients that do not answer, and one does not.
    await Promise.all([stage.startTask({ WEBSOCKET_HEARTBEAT_SECONDS: "60" }), stage.startTask()]);
    const [sleepers, flood, flooded] = await Promise.all([
      stage.addSwarm({ name: "sleeper", readers: 50, publishers: 0 }),
      stage.addSwarm({ name: "flood", readers: 4, publishers: 4, channel: "flood" }),
      stage.addSwarm({ name: "flooded", readers: 4, publishers: 0, channel: "flood" }),
      stage.assemble(),
    ]);
    await stage.publish();
    await flood.publish({ messagesPerSecond: 100, paddingBytes: FLOOD_BYTES });
    await delay(BEFORE_MS);
    for (const swarm of [sleepers, flooded]) swarm.kill("SIGSTOP");
    await delay(ASLEEP_MS);
    // Those who flood may be slow, too.
    const inTheFlood = async (): Promise<number> => (await flood.report()).acknowledged.length;
    await waitUntil(async () => (await inTheFlood()) >= FLOOD_MESSAGES, {
      forMs: TEST_TIMEOUT_MS,
      everyMs: 500,
    });
    const unharmed = await stage.findings();
    for (const swarm of [sleepers, flooded]) swarm.kill("SIGCONT");
    const figures = await stage.conclude();
    assertWhole(figures);
    assertClosedBy(unharmed, 1012);
    console.log(`      the others' longest pause meanwhile: ${Math.round(unharmed.longestPauseMs)} ms`);
    assert.ok(unharmed.longestPauseMs < ASLEEP_MS * 0.7);
    const { findings } = await sleepers.report();
    assert.ok(findings.reconnects > 0, "the one task has let them go");
    assert.ok(findings.reconnects < findings.readers, "the other one has kept them");

    const inFlood = await stage.conclude("flood");
    report(inFlood);
    const { wrong, lost, doubled, told, closes } = inFlood;
    assert.deepEqual({ wrong, lost, doubled }, { wrong: [], lost: 0, doubled: 0 });
    assert.ok(told > 0, "more than is retained came while they slept, and they are told");
    assert.ok((closes[1013] ?? 0) > 0);
  });

  it("when connections are reset or go half-open at random, those to Valkey too", async () => {
    const stage = await setStage(binary);
    await stage.assemble();
    await stage.publish();
    await delay(BEFORE_MS);
    let [reset, frozen, inBack] = [0, 0, 0];
    for (let round = 1; round <= 16; round++) {
      reset += stage.frontNetwork.reset(0.03);
      frozen += stage.frontNetwork.freeze(0.0075);
      if (round % 4 === 0) inBack += stage.backNetwork.reset(0.5);
      if (round === 6) inBack += stage.backNetwork.freeze(0.5);
      await delay(250);
    }
    await delay(AFTER_MS);
    const figures = await stage.conclude();
    console.log(`      ${reset} resets, ${frozen} half-open, ${inBack} of those to Valkey`);
    assertWhole(figures);
  });

  it("when all tasks are replaced: they end in time, and clients come back paced", async () => {
    const stage = await setStage(binary, { tasks: 0 });
    const old = await Promise.all([stage.startTask(), stage.startTask()]);
    await stage.assemble();
    await stage.publish();
    await delay(BEFORE_MS);
    await Promise.all([stage.startTask(), stage.startTask()]);
    const stoppedAt = performance.now();
    const seconds = await Promise.all(old.map((task) => stop(stage, task)));
    await delay(AFTER_MS);
    const figures = await stage.conclude();
    const peak = mostWithin(
      1000,
      stage.frontNetwork.madeAt.filter((at) => at > stoppedAt),
    );
    console.log(
      `      exits after ${seconds.map((time) => time.toFixed(1)).join(" and ")} s; at most ${peak} connects in a second`,
    );
    assertWhole(figures);
    assertClosedBy(figures, 1001, 1012);
    assert.ok(peak <= Math.max(SMALL_CROWD, figures.readers * MOST_AT_ONCE), "no herd");
  });

  it("when a task is added: connections spread until they are near even", async () => {
    const stage = await setStage(binary);
    await stage.assemble();
    await stage.publish();
    await delay(BEFORE_MS);
    await stage.startTask();
    const addedAt = performance.now();
    const { frontNetwork } = stage;
    const counts = (): number[] => [...frontNetwork.targets].map((port) => frontNetwork.connections(port));
    const nearEven = (): boolean => {
      const all = counts();
      const average = all.reduce((sum, count) => sum + count, 0) / all.length;
      return Math.max(...all) <= average + Math.max(average * NEAR_EVEN, NEAR_EVEN_CONNECTIONS);
    };
    await waitUntil(nearEven, { forMs: TEST_TIMEOUT_MS, everyMs: 100 });
    const seconds = (performance.now() - addedAt) / 1000;
    const figures = await stage.conclude();
    console.log(`      near even after ${seconds.toFixed(1)} s: ${counts().join(", ")} connections`);
    assertWhole(figures);
    assertClosedBy(figures, 1012);
  });

  it("when all of this happens together", async () => {
    const seed = Number(process.env["FAULT_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
    console.log(`      FAULT_SEED=${seed}`);
    const stage = await setStage(binary, { directives: DURABLE, tasks: 0, seed });
    const { valkey, frontNetwork, backNetwork } = stage;
    const tasks: Task[] = await Promise.all([stage.startTask(), stage.startTask()]);
    const [sleepers] = await Promise.all([
      stage.addSwarm({ name: "sleeper", readers: 50, publishers: 0 }),
      stage.assemble(),
    ]);
    await stage.publish();

    const stopping: Promise<number>[] = [];
    const replaceOldest = async (end: (task: Task) => void): Promise<void> => {
      tasks.push(await stage.startTask());
      const [oldest] = tasks.splice(0, 1);
      if (oldest !== undefined) end(oldest);
    };
    const deeds: readonly (readonly [name: string, deed: () => Promise<void> | void])[] = [
      ["Valkey stopped", () => restart(valkey, "stopped")],
      ["Valkey killed", () => restart(valkey, "killed")],
      [
        "Valkey frozen",
        async () => {
          await valkey.pause();
          await delay(FREEZE_MS);
          await valkey.resume();
        },
      ],
      ["connections to Valkey reset", () => void backNetwork.reset(0.5)],
      ["connections to Valkey half-open", () => void backNetwork.freeze(0.3)],
      [
        "a task killed",
        () =>
          replaceOldest((task) => {
            task.kill("SIGKILL");
          }),
      ],
      [
        "a task replaced",
        () =>
          replaceOldest((task) => {
            stopping.push(stop(stage, task));
          }),
      ],
      [
        "a task frozen",
        async () => {
          const [task] = tasks;
          task?.kill("SIGSTOP");
          await delay(FREEZE_MS);
          task?.kill("SIGCONT");
        },
      ],
      [
        "clients frozen",
        () => {
          sleepers.kill("SIGSTOP");
        },
      ],
      [
        "clients resumed",
        () => {
          sleepers.kill("SIGCONT");
        },
      ],
    ];

    const random = randomFrom(seed);
    const story: string[] = [];
    for (const until = performance.now() + CHAOS_MS; performance.now() < until;) {
      frontNetwork.reset(0.01);
      frontNetwork.freeze(0.002);
      const [name, deed] = deeds[Math.floor(random() * deeds.length)] ?? assert.fail();
      story.push(name);
      await deed();
      await delay(DEED_INTERVAL_MS * random());
    }
    sleepers.kill("SIGCONT");
    await Promise.all(stopping);
    await delay(AFTER_MS);
    const figures = await stage.conclude();
    console.log(`      ${story.join(", ")}`);
    assertWhole(figures);
  });
});

async function restart(valkey: TestValkey, how: "stopped" | "killed"): Promise<void> {
  await (how === "stopped" ? valkey.shutDown() : valkey.kill());
  await valkey.start();
}

/** As a deployment does it: no new connections, then SIGTERM. Returns the seconds until the exit. */
async function stop(stage: Stage, task: Task): Promise<number> {
  stage.frontNetwork.targets.delete(task.port);
  const stoppedAt = performance.now();
  task.kill("SIGTERM");
  const { code, output } = await task.ended;
  const seconds = (performance.now() - stoppedAt) / 1000;
  assert.equal(code, 0, output);
  assert.ok(seconds < DRAIN_SECONDS + EXIT_GRACE_SECONDS, `it took ${seconds} s to stop`);
  return seconds;
}

/** The largest number of times that lie within one span. */
function mostWithin(spanMs: number, times: readonly number[]): number {
  let first = 0;
  let most = 0;
  for (const [index, time] of times.entries()) {
    while (time - (times[first] ?? time) > spanMs) first += 1;
    most = Math.max(most, index - first + 1);
  }
  return most;
}

function assertWhole(figures: Figures, { renewals = 0 } = {}): void {
  report(figures);
  const { wrong, lost, told, doubled } = figures;
  assert.deepEqual(
    { wrong, lost, told, doubled, renewals: figures.renewals },
    { wrong: [], lost: 0, told: 0, doubled: 0, renewals },
  );
}

/** Connections ended in no other way. With 1012 a task asks some to go to another one at any time. */
function assertClosedBy({ closes }: Pick<Figures, "closes">, ...codes: readonly number[]): void {
  for (const code of Object.keys(closes)) assert.ok(codes.includes(Number(code)), JSON.stringify(closes));
}

function report(figures: Figures): void {
  const { messages, readers, deliveries, reconnects, renewals } = figures;
  const { longestPauseMs, lost, told, doubled, closes } = figures;
  console.log(
    `      ${messages} messages, ${readers} clients, ${deliveries} deliveries, ${reconnects} reconnects, ` +
      (renewals === 0 ? "" : `${renewals} told of a new epoch, `) +
      `longest pause ${Math.round(longestPauseMs)} ms, ${lost} lost, ${told} told to be missing, ${doubled} doubled; ` +
      `closes: ${JSON.stringify(closes)}`,
  );
}
