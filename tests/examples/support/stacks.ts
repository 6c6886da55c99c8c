/** The examples in a local stack. */
import path from "node:path";
import { findValkeyServer } from "../../../cli/valkeyServer.ts";
import { evaluateStack } from "../../../infra/evaluation/evaluate.ts";
import { running, type StackFixture } from "../../local/support/stack.ts";
import { waitUntil } from "../../support/waitUntil.ts";
import { folderOf } from "./servers.ts";

/** For the start and the drain of tasks on a busy machine. */
const WAIT = { forMs: 30_000, everyMs: 50 };

/** Starts a stack of an example with two tasks, and with a real Valkey if the machine has one. */
export async function startExample(
  example: string,
  stack: string,
  config: Readonly<Record<string, string>> = {},
): Promise<StackFixture> {
  const graph = await evaluateStack({ root: folderOf(example), stack, config });
  return running(graph, { tasks: 2, valkeyServer: await findValkeyServer(process.env["PATH"]) });
}

/** The origin of the edge for HTTP. */
export function originOf({ urls }: StackFixture): string {
  return new URL("/", urls.websocket.replace(/^ws/, "http")).origin;
}

/** Deploys new tasks, and waits until they are healthy and all others have ended. */
export async function deploy({ stack }: StackFixture): Promise<void> {
  const { tasks } = stack;
  const revision = tasks?.deploy();
  await waitUntil(() => {
    const status = tasks?.status() ?? [];
    return (
      status.length === tasks?.desiredCount &&
      status.every((task) => task.health === "healthy" && task.revision === revision)
    );
  }, WAIT);
}

/** Kills the task of a process with SIGKILL. @param name from the server: its host and process id. */
export function killTask({ stack }: StackFixture, name: string): void {
  const task = stack.status().find(({ pid }) => pid === Number(path.basename(name)));
  if (task === undefined) throw new Error(`No task is ${name}.`);
  stack.faults.apply("kill-task", task.id);
}
