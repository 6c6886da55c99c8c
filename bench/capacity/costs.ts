/** What one connection, handshake, heartbeat, message and delivery cost the server, measured on its process. */
import { toEnvironment } from "../../app/src/settings/environment.ts";
import { ExpectedError } from "../../app/src/settings/expectedError.ts";
import { settingDefinitions } from "../../app/src/settings/settings.ts";
import type { Settings } from "../../app/src/settings/settings.ts";
import { LOOPBACK } from "../../cli/loopback.ts";
import type { Store } from "../bench.ts";
import type { StoreOptions } from "../case.ts";
import { contestants } from "../contestants.ts";
import { waitUntilIdle } from "../generator/processes.ts";
import type { FiguresOf, LoadRun, Run } from "../generator/runs.ts";
import type { Pinning } from "../pinning.ts";
import { generate, startServer } from "../processes.ts";
import { spread } from "../statistics.ts";

/** Resident bytes of an idle connection, and CPU seconds of the rest. */
export interface Costs {
  readonly idleBytes: number;
  readonly handshake: number;
  /** A ping and its answer. */
  readonly heartbeat: number;
  /** Messages of which each arrives after the one before it was delivered: the highest cost. */
  readonly alone: MessageCosts;
  /** Messages that arrive together, so that the server reads and writes many of them at once. */
  readonly together: MessageCosts;
}

/** CPU seconds. */
export interface MessageCosts {
  /** A message from a client, which is appended to Valkey and delivered to one client. */
  readonly message: number;
  /** The delivery to one more client. */
  readonly delivery: number;
}

export interface CostSetup {
  readonly pinning: Pinning | undefined;
  /** Folder for the servers' output. */
  readonly folder: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly startStore: (options: StoreOptions) => Promise<Store>;
  readonly signal: AbortSignal;
  readonly onProgress: (text: string) => void;
}

const REPETITIONS = 3;
const MESSAGE_BYTES = 64;
const RECEIVERS = 1000;

const IDLE = { kind: "connections", clients: 10_000, concurrency: 128, settleSeconds: 2.5 } as const;
const ALONE: LoadRun = {
  kind: "load",
  clients: 1,
  publishers: 1,
  messageBytes: MESSAGE_BYTES,
  pace: { inFlight: 1 },
  idleReader: false,
  warmSeconds: 1,
  seconds: 2,
};
const TOGETHER: LoadRun = { ...ALONE, pace: { inFlight: 64 } };
const TOGETHER_TO_MANY: LoadRun = { ...ALONE, clients: RECEIVERS, publishers: 10, pace: { inFlight: 16 } };
/** Heartbeats, and as few messages as possible. */
const QUIET: LoadRun = { ...ALONE, clients: 2000, pace: { rate: 1 }, seconds: 6 };

/**
 * Measures each cost several times, and returns the medians.
 * @throws {ExpectedError} if a run has no figures.
 * @throws {Error} if `signal` aborts.
 */
export async function measureCosts(setup: CostSetup): Promise<Costs> {
  const repeated: Costs[] = [];
  for (let repetition = 1; repetition <= REPETITIONS; repetition++) {
    setup.onProgress(`capacity: ${repetition} of ${REPETITIONS}`);
    repeated.push(await measureOnce(setup));
  }
  const median = (costOf: (costs: Costs) => number): number => spread(repeated.map(costOf))?.median ?? 0;
  const medians = (kind: "alone" | "together"): MessageCosts => ({
    message: median((costs) => costs[kind].message),
    delivery: median((costs) => costs[kind].delivery),
  });
  return {
    idleBytes: median(({ idleBytes }) => idleBytes),
    handshake: median(({ handshake }) => handshake),
    heartbeat: median(({ heartbeat }) => heartbeat),
    alone: medians("alone"),
    together: medians("together"),
  };
}

async function measureOnce(setup: CostSetup): Promise<Costs> {
  const idle = await perform(IDLE, {}, setup);
  return {
    idleBytes: known(idle.memoryGrowthBytes) / IDLE.clients,
    handshake: known(idle.serverCpu) / IDLE.clients,
    heartbeat: await measureHeartbeat(setup),
    alone: await measureMessages(ALONE, { ...ALONE, clients: RECEIVERS }, setup),
    together: await measureMessages(TOGETHER, TOGETHER_TO_MANY, setup),
  };
}

async function measureHeartbeat(setup: CostSetup): Promise<number> {
  const cpuPerSecond = async (settings: Partial<Settings>): Promise<number> => {
    const { serverCpu, seconds } = await perform(QUIET, settings, setup);
    return known(serverCpu) / seconds;
  };
  const difference = (await cpuPerSecond({ heartbeatSeconds: 1 })) - (await cpuPerSecond({}));
  const heartbeatsPerSecond = QUIET.clients * (1 - 1 / settingDefinitions.heartbeatSeconds.default);
  return Math.max(0, difference / heartbeatsPerSecond);
}

async function measureMessages(toOne: LoadRun, toMany: LoadRun, setup: CostSetup): Promise<MessageCosts> {
  const cpuPerMessage = async (run: LoadRun): Promise<number> => {
    const { serverCpu, messages } = await perform(run, {}, setup);
    return known(serverCpu) / messages;
  };
  const message = await cpuPerMessage(toOne);
  return { message, delivery: Math.max(0, (await cpuPerMessage(toMany)) - message) / (RECEIVERS - 1) };
}

/** Performs a run against a new server behind an empty store. */
async function perform<R extends Run>(
  run: R,
  settings: Partial<Settings>,
  { pinning, folder, environment, startStore, signal }: CostSetup,
): Promise<FiguresOf[R["kind"]]> {
  const contestant = contestants({ peersFolder: undefined, haproxy: undefined }).find(
    ({ name }) => name === "this",
  );
  if (contestant === undefined) throw new Error("This server is a contestant.");
  const store = await startStore({});
  try {
    const server = await startServer({
      name: "capacity",
      entry: contestant.entry,
      nodeOptions: contestant.nodeOptions,
      environment: { ...environment, ...contestant.environment(store), ...toEnvironment(settings) },
      cpu: pinning?.server,
      folder,
      signal,
    });
    try {
      await waitUntilIdle([server.pid]);
      const target = {
        host: LOOPBACK,
        ports: [server.port],
        pids: [server.pid],
        hasTls: false,
        protocol: contestant.protocol,
      };
      const outcome = await generate(run, target, pinning?.generator, signal);
      if (outcome.outcome === "measured") return outcome.figures;
      throw new ExpectedError(`A run of the capacity has no figures: ${outcome.reason}`);
    } finally {
      await server.stop();
    }
  } finally {
    await store.stop();
  }
}

/** @throws {ExpectedError} if the system does not report a figure. */
function known(figure: number | undefined): number {
  if (figure === undefined)
    throw new ExpectedError("Only Linux reports the CPU time and the memory of a process.");
  return figure;
}
