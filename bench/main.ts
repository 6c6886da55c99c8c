/** `npm run bench` */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { ExpectedError } from "../app/src/settings/expectedError.ts";
import { VARIABLE_PREFIX } from "../app/src/settings/environment.ts";
import { watchInterrupts } from "../cli/interrupts.ts";
import { EXIT_CODES, runCommandLine } from "../cli/runCommandLine.ts";
import { statusLineOn } from "../load-test/parts/statusLine.ts";
import { readBaseCheckout } from "./baseCheckout.ts";
import { runBench } from "./bench.ts";
import { writeCapacity } from "./capacity/write.ts";
import { QUICK_EFFORT } from "./case.ts";
import { contestants } from "./contestants.ts";
import { type BenchOptions, HELP, OPTIONS, parseOptions } from "./options.ts";
import { findHaproxy } from "./paths/haproxy.ts";
import { installPeers } from "./peers/install.ts";
import { choosePinning } from "./pinning.ts";
import { documentOf, failureOf } from "./results.ts";
import type { CaseResult, Machine } from "./results.ts";
import { findStore } from "./store.ts";
import { renderCase, renderLegend, renderMachine } from "./tables.ts";

const RESULTS_FOLDER = fileURLToPath(new URL("./results/", import.meta.url));

async function run(options: BenchOptions, orphaned: AbortSignal): Promise<number> {
  const { signal } = watchInterrupts(
    { signals: process, orphaned },
    // The processes of the benchmark end with this one.
    { onSecond: () => process.exit(EXIT_CODES.interrupted) },
  );
  const startedAt = new Date();
  const pinning = choosePinning();
  const machine = describeMachine(pinning ?? null);
  const statusLine = statusLineOn(process.stderr);
  const results: CaseResult[] = [];
  let failure: ExpectedError | undefined;
  const folder = mkdtempSync(path.join(os.tmpdir(), "websocket-bench-"));
  const print = (text: string) => {
    statusLine.clear();
    process.stdout.write(`${text}\n`);
  };

  try {
    const startStore = await findStore(process.env["PATH"], pinning?.server);
    const setup = {
      pinning,
      folder,
      environment: inheritedEnvironment(process.env),
      ...(startStore !== undefined && { startStore }),
      signal,
      onProgress: (text: string) => {
        statusLine.show(text);
      },
    };
    if (options.capacity) {
      print(await writeCapacity(setup, machine));
      return EXIT_CODES.done;
    }
    if (options.peers) statusLine.show("installing the peers");
    const peersFolder = options.peers ? await installPeers(process.env["npm_execpath"], signal) : undefined;
    const base = options.base === undefined ? undefined : await readBaseCheckout(options.base);
    print(renderMachine(machine));
    await runBench({
      ...options,
      contestants: contestants({ peersFolder, haproxy: findHaproxy(process.env["PATH"]), base }),
      ...setup,
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
    if (error instanceof ExpectedError) failure = error;
    else if (!signal.aborted) throw error;
  } finally {
    statusLine.clear();
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
  if (signal.aborted) return EXIT_CODES.interrupted;
  if (failure !== undefined) throw failure;
  const isVoid = results
    .flatMap((result) => result.results)
    .some((each) => failureOf(each)?.outcome === "void");
  return isVoid ? EXIT_CODES.failed : EXIT_CODES.done;
}

function describeMachine(pinned: Machine["pinned"]): Machine {
  const cpus = os.cpus();
  return {
    cpu: cpus[0]?.model.trim() ?? "unknown",
    cpus: cpus.length,
    memoryBytes: os.totalmem(),
    system: `${os.type()} ${os.release().replace(/-.*/, "")} ${os.arch()}`,
    node: process.versions.node,
    pinned,
  };
}

/** Without variables of the server's settings: the benchmark measures the defaults. */
function inheritedEnvironment(environment: NodeJS.ProcessEnv): Readonly<Record<string, string>> {
  const inherited = Object.entries(environment).flatMap(([name, value]) =>
    value === undefined || name.startsWith(VARIABLE_PREFIX) ? [] : [[name, value] as const],
  );
  return { ...Object.fromEntries(inherited), NODE_ENV: "production" };
}

await runCommandLine({ script: "bench", options: OPTIONS, help: HELP, parse: parseOptions, run });
