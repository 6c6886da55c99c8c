/** `npm run bench`: the only module of the benchmark that touches the process. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { ignoreBrokenPipes, watchParent } from "../app/src/settings/commandProcess.ts";
import { VARIABLE_PREFIX } from "../app/src/settings/environment.ts";
import { runBench } from "./bench.ts";
import { refuseSwallowedOptions } from "../cli/npmOptions.ts";
import { UsageError } from "../cli/options.ts";
import { QUICK_EFFORT } from "./cases.ts";
import { contestants } from "./contestants.ts";
import { OPTIONS, parseOptions, usage } from "./options.ts";
import { installPeers } from "./peers/install.ts";
import { choosePinning } from "./pinning.ts";
import { StartError } from "./processes.ts";
import { progressOn } from "./progress.ts";
import { documentOf, failureOf } from "./results.ts";
import type { CaseResult, Machine } from "./results.ts";
import { findStore } from "./store.ts";
import { renderCase, renderLegend, renderMachine } from "./tables.ts";

const FAILED = 1;
const MISUSED = 2;
/** As shells have it for what Ctrl-C has ended: 128 and the signal's number. */
const INTERRUPTED = 130;

const RESULTS_FOLDER = fileURLToPath(new URL("./results/", import.meta.url));

async function main(args: readonly string[]): Promise<number> {
  refuseSwallowedOptions("bench", OPTIONS, process);
  const options = parseOptions(args);
  if (options === "help") {
    process.stdout.write(usage());
    return 0;
  }

  const interrupt = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    // Once: a second one ends the process as it always does, and the processes of the benchmark with it.
    process.once(signal, () => {
      interrupt.abort();
    });
  }
  watchParent(process, () => {
    interrupt.abort();
  });
  const { signal } = interrupt;
  const startedAt = new Date();
  const pinning = choosePinning();
  const machine = describeMachine(pinning ?? null);
  const progress = progressOn(process.stderr);
  const results: CaseResult[] = [];
  let unstarted: StartError | undefined;
  const folder = mkdtempSync(path.join(os.tmpdir(), "websocket-bench-"));
  const print = (text: string) => {
    progress.clear();
    process.stdout.write(`${text}\n`);
  };

  try {
    if (options.peers) progress.show("installing the peers");
    const peersFolder = options.peers ? await installPeers(process.env["npm_execpath"], signal) : undefined;
    const startStore = await findStore(process.env["PATH"], pinning?.server);
    print(renderMachine(machine));
    await runBench({
      ...options,
      contestants: contestants(peersFolder),
      pinning,
      folder,
      environment: inheritedEnvironment(process.env),
      ...(startStore === undefined ? {} : { startStore }),
      signal,
      onProgress: (text) => {
        progress.show(text);
      },
      onCase(result) {
        results.push(result);
        print(renderCase(result));
        if (results.length === 1) print(renderLegend());
      },
      onSkipped({ name }, reason) {
        print(`### ${name}: not measured, ${reason}\n`);
      },
    });
  } catch (error) {
    if (error instanceof StartError) unstarted = error;
    else if (!signal.aborted) throw error;
  } finally {
    progress.clear();
    rmSync(folder, { recursive: true, force: true });
  }

  if (results.length > 0) {
    const quick = options.effort.openLoopSeconds === QUICK_EFFORT.openLoopSeconds;
    const document = documentOf(results, { machine, startedAt, quick, interrupted: signal.aborted });
    const file =
      options.json ?? path.join(RESULTS_FOLDER, `${startedAt.toISOString().replaceAll(":", "-")}.json`);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, `${JSON.stringify(document, undefined, 2)}\n`);
    process.stderr.write(`${path.relative("", file)}\n`);
  }
  if (unstarted !== undefined) process.stderr.write(`${unstarted.message}\n`);
  if (signal.aborted) return INTERRUPTED;
  const voids = results
    .flatMap((result) => result.results)
    .filter((each) => failureOf(each)?.outcome === "void");
  return voids.length > 0 || unstarted !== undefined ? FAILED : 0;
}

function describeMachine(pinned: Machine["pinned"]): Machine {
  const cpus = os.cpus();
  return {
    cpu: cpus[0]?.model.trim() ?? "unknown",
    cpus: cpus.length,
    memoryBytes: os.totalmem(),
    system: `${os.type()} ${os.release()} ${os.arch()}`,
    node: process.versions.node,
    pinned,
  };
}

/** Without the settings of some other server: what is measured has the defaults. */
function inheritedEnvironment(environment: NodeJS.ProcessEnv): Readonly<Record<string, string>> {
  const inherited: Record<string, string> = {};
  for (const [name, value] of Object.entries(environment)) {
    if (value !== undefined && !name.startsWith(VARIABLE_PREFIX)) inherited[name] = value;
  }
  return { ...inherited, NODE_ENV: "production" };
}

ignoreBrokenPipes(process);
try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`${error.message}\n\nAll options: npm run bench -- --help\n`);
  process.exitCode = MISUSED;
}
