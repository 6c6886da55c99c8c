/** Prepares the declared stack of `npm start`, and runs it until the user stops it. */
import { randomUUID } from "node:crypto";
import path from "node:path";
import { setImmediate } from "node:timers/promises";
import { isPackaged, OWN_FOLDER } from "../app/src/settings/ownFiles.ts";
import { childEnvironment } from "../cli/childEnvironment.ts";
import { commandOf } from "../cli/commandNames.ts";
import { findValkeyServer } from "../cli/valkeyServer.ts";
import { CACHE_FOLDER } from "./cacheFolder.ts";
import { createKeyboard } from "./control/keyboard.ts";
import { type Dashboard, startDashboard } from "./dashboard/dashboard.ts";
import { createHistory } from "./dashboard/history.ts";
import { type Evaluation, evaluateWithOverrides, findProject } from "./evaluation.ts";
import type { EmitEvent } from "./events.ts";
import { startDevelopmentIssuer } from "./identity/developmentIssuer.ts";
import { DASHBOARD_PORT, type LocalOptions } from "./options.ts";
import type { Output } from "./output/output.ts";
import type { ListenPort } from "./runtime/network/listen.ts";
import { findContainerEngine } from "./runtime/tasks/containerEngine.ts";
import { startStack } from "./stack.ts";
import { evaluateInProcess } from "./watch/evaluation.ts";
import { createImages } from "./watch/images.ts";
import { watchProject } from "./watch/watchProject.ts";
import { watchStack } from "./watch/watchStack.ts";

/** The server's sources, or the bundle of the npm package. */
const SERVER = path.join(OWN_FOLDER, isPackaged ? "app/dist/server.mjs" : "app/src/main.ts");
/** Begins the sequence of a key without a character. */
const ESCAPE = "\x1b";
/** Ports that are tried if the usual one is taken, before any free port. */
const NEXT_DASHBOARD_PORTS = 9;

/** What the user controls a stack with. */
export interface Control {
  /** Stops everything in order. */
  readonly stop: AbortSignal;
  /** Kills the tasks that still run. */
  readonly kill: AbortSignal;
  /** A terminal whose keys apply faults. */
  readonly keyboard: typeof process.stdin | undefined;
}

/** Resolves when the stack has stopped. @throws {ExpectedError} if it cannot be evaluated, built, started or made ready. */
export async function runStack(
  options: LocalOptions,
  output: Output,
  { stop, kill, keyboard }: Control,
): Promise<void> {
  const stopped = aborted(stop);
  const ended = new AbortController();
  using ending = new DisposableStack();
  ending.defer(() => {
    ended.abort();
  });
  const signal = AbortSignal.any([stop, ended.signal]);
  const history = createHistory();
  const emit: EmitEvent = (event) => {
    history.add(event);
    output.event(event);
  };
  const project = findProject(options);
  const evaluation: Evaluation = { ...project, config: options.config, randomSeed: randomUUID() };
  const isOwnProject = !isPackaged && project.root === OWN_FOLDER;
  // Only the repository has sources of the server that can change.
  await using images = options.watch && isOwnProject ? await createImages(OWN_FOLDER) : undefined;
  // What changes during the build and the evaluation is applied after them.
  const applyChanges =
    images &&
    watchStack({
      root: OWN_FOLDER,
      stackName: project.stack,
      images,
      evaluate: () => evaluateInProcess(signal, evaluation),
      emit,
      signal,
    });
  // The build is a process of its own, so it runs beside the evaluation.
  const building = images?.build();
  const evaluating = evaluateWithOverrides(evaluation).finally(handlePendingSignals);
  const prepared = await Promise.race([Promise.all([evaluating, building]), stopped]);
  // Nothing has started that would have to stop in order, and an evaluation cannot be cancelled.
  if (prepared === undefined) {
    await images?.[Symbol.asyncDispose]();
    process.exit();
  }
  const [graph, image] = prepared;
  await using issuer = options.requiresTokens ? await startDevelopmentIssuer(CACHE_FOLDER) : undefined;
  const stack = await startStack(
    graph,
    {
      ...options,
      deployCommand: isOwnProject ? commandOf("deploy") : undefined,
      otherPorts: options.hasDashboard && options.dashboardPort !== undefined ? dashboardPorts(options) : [],
      valkeyServer: await findValkeyServer(process.env["PATH"]),
      entry: image?.entry ?? SERVER,
      tokenSettings: issuer?.settings,
      containerEngine: findContainerEngine(process.env["PATH"]),
      cacheDirectory: CACHE_FOLDER,
      baseEnvironment: childEnvironment(process.env),
    },
    emit,
  );
  void aborted(kill).then(() => {
    stack.kill();
  });
  output.watch(stack);
  let dashboard: Dashboard | undefined;
  try {
    if (image !== undefined) applyChanges?.(stack, image);
    else if (options.watch) {
      const { root } = project;
      watchProject(stack, { root, evaluate: () => evaluateInProcess(signal, evaluation), emit, signal });
    }
    if (options.hasDashboard) {
      dashboard = await startDashboard({ stack, history, ports: dashboardPorts(options) });
      emit({ event: "dashboard-started", url: dashboard.url });
    }
    const onKey = createKeyboard({
      stack,
      print(lines) {
        output.print(lines);
      },
    });
    keyboard?.on("data", (keys: Buffer) => {
      const text = keys.toString();
      // Such as an arrow key, whose sequence contains letters.
      if (text.startsWith(ESCAPE)) return;
      for (const key of text) onKey(key);
    });
    await Promise.race([stopped, stack.ready.then(() => stopped)]);
  } finally {
    await stack.close();
    await dashboard?.close();
  }
}

/**
 * The evaluation blocks the event loop. Signals and keys that arrived meanwhile are handled when it waits for input, which is between
 * two immediates.
 */
async function handlePendingSignals(): Promise<void> {
  await setImmediate();
  await setImmediate();
}

/** Without an option, several stacks can run at once. */
function dashboardPorts({ dashboardPort }: LocalOptions): readonly [ListenPort, ...ListenPort[]] {
  const listenPort = (port: number): ListenPort => ({ name: "dashboard", port, option: "--dashboard-port" });
  if (dashboardPort !== undefined) return [listenPort(dashboardPort)];
  const next = Array.from({ length: NEXT_DASHBOARD_PORTS }, (_, n) => listenPort(DASHBOARD_PORT + n + 1));
  return [listenPort(DASHBOARD_PORT), ...next, listenPort(0)];
}

function aborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    const onAbort = (): void => {
      resolve(undefined);
    };
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
  });
}
