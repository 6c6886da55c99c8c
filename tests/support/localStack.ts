/** Runs the local stack with `npm start` and reads its JSON events. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { WebSocket } from "ws";
import type { RawData } from "ws";
import { due } from "./waitUntil.ts";

/** Time after which a stack that does not stop is killed. */
const STOP_DEADLINE_MS = 20_000;

/** Timeout for an event; npm and the program usually start in a tenth of it. */
const EVENT_DUE_MS = 30_000;

/** Number of events in a failure message. */
const LAST_EVENTS = 5;

const ON_ANY_PORT = ["edge", "load-balancer", "api-gateway", "dashboard"].flatMap((name) => [
  `--${name}-port`,
  "0",
]);

const ROOT = path.resolve(import.meta.dirname, "../..");

/** Accepts the self-signed certificate of the local stack. */
export class TrustingWebSocket extends WebSocket {
  constructor(url: string, protocols: string[]) {
    super(url, protocols, { rejectUnauthorized: false });
  }
}

/** The optional URLs depend on the edge of the stack. */
export interface StackUrls {
  readonly websocket: string;
  readonly page: string;
  readonly loadBalancer: string;
  readonly plainHttp?: string;
  readonly apiGateway?: string;
}

/** An event of `--json`: one object per line. */
export interface StackEvent {
  readonly event: string;
  readonly files?: readonly string[];
  readonly revision?: number;
  readonly returnsTo?: number;
  readonly message?: string;
  readonly changed?: readonly string[];
  readonly needRestart?: readonly string[];
  readonly id?: string;
  readonly pid?: number;
  readonly port?: number;
  readonly code?: number | null;
  /** Whether the stack stopped the task. */
  readonly expected?: boolean;
  /** Numbers of tasks before and after a decision of the autoscaler. */
  readonly from?: number;
  readonly to?: number;
  readonly reason?: string;
  readonly urls?: StackUrls;
  /** The id of a fault. */
  readonly fault?: string;
  /** The address of the dashboard. */
  readonly url?: string;
}

export interface StackProcess {
  readonly urls: StackUrls;
  /** Every event so far, oldest first. */
  readonly events: readonly StackEvent[];
  /** Waits for the first event, past or future, that matches. @param forMs timeout, of 30 s by default. */
  readonly event: (matches: (event: StackEvent) => boolean, forMs?: number) => Promise<StackEvent>;
  /** Sends SIGINT to the process group, as Ctrl-C does. Resolves when all processes have ended. */
  readonly interrupt: () => Promise<void>;
  /** Interrupts the stack if it still runs. */
  readonly close: () => Promise<void>;
}

/**
 * Starts the stack on free ports and waits until it is ready.
 * @throws {Error} with the event of the first task that fails.
 */
export function startStack(...options: readonly string[]): Promise<StackProcess> {
  return startProcess("npm", ["start", "--silent", "--", "--json", ...ON_ANY_PORT, ...options], ROOT);
}

/** Starts the stack of a copy of the repository, as `startStack` does. @param root from `copyRepository`. */
export function startCopy(root: string, ...options: readonly string[]): Promise<StackProcess> {
  return startProcess(process.execPath, ["local/main.ts", "--json", ...ON_ANY_PORT, ...options], root);
}

async function startProcess(command: string, args: readonly string[], cwd: string): Promise<StackProcess> {
  // A process group of its own, so that an interrupt reaches only the command and its children.
  const child = spawn(command, args, { cwd, detached: true, stdio: ["ignore", "pipe", "inherit"] });
  // npm ends at once on SIGINT. The pipe closes when the stack has ended.
  const ended = once(child, "close");
  const events: StackEvent[] = [];
  const waiting = new Set<() => void>();
  createInterface({ input: child.stdout }).on("line", (line) => {
    events.push(JSON.parse(line) as StackEvent);
    for (const check of waiting) check();
  });

  const event = (matches: (event: StackEvent) => boolean, forMs = EVENT_DUE_MS): Promise<StackEvent> => {
    const found = new Promise<StackEvent>((resolve, reject) => {
      const check = (): void => {
        const match = events.find(matches);
        if (match === undefined) return;
        waiting.delete(check);
        resolve(match);
      };
      waiting.add(check);
      check();
      void ended.then(([code]) => {
        reject(new Error(`The local stack ended with ${String(code)} before ${describe(matches, events)}.`));
      });
    });
    return due(found, () => describe(matches, events), forMs);
  };

  const interrupt = async (): Promise<void> => {
    signalGroup(child, "SIGINT");
    const overdue = new AbortController();
    const killed = sleep(STOP_DEADLINE_MS, undefined, { signal: overdue.signal }).then(
      () => {
        signalGroup(child, "SIGKILL");
        throw new Error(`The local stack did not stop; its last events: ${lastOf(events)}`);
      },
      () => undefined,
    );
    await Promise.race([ended, killed]);
    overdue.abort();
  };

  const first = await event((candidate) => candidate.event === "ready" || isTaskFailure(candidate));
  const { urls } = first;
  if (urls === undefined) {
    await interrupt();
    assert.fail(JSON.stringify(first));
  }
  return {
    urls,
    events,
    event,
    interrupt,
    close: async () => {
      if (child.exitCode === null && child.signalCode === null) await interrupt();
    },
  };
}

function describe(matches: (event: StackEvent) => boolean, events: readonly StackEvent[]): string {
  return `an event for which ${matches.toString()}; the last events are ${lastOf(events)}`;
}

function lastOf(events: readonly StackEvent[]): string {
  return JSON.stringify(events.slice(-LAST_EVENTS));
}

function isTaskFailure({ event, expected }: StackEvent): boolean {
  return event === "task-unhealthy" || (event === "task-stopped" && expected === false);
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  assert.ok(child.pid);
  process.kill(-child.pid, signal);
}

/** A WebSocket client that queues its messages. */
export interface Client {
  /** Takes the next message, parsed. */
  readonly next: () => Promise<unknown>;
  readonly send: (message: unknown) => void;
  /** Resolves with the close code. */
  readonly closed: Promise<number>;
  readonly close: () => void;
}

/**
 * Connects and takes the greeting.
 * @throws {Error} with the HTTP status, if the upgrade is refused.
 */
export async function connectTo(
  url: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Client> {
  // The certificate of the local edge is self-signed.
  const socket = new WebSocket(url, { rejectUnauthorized: false, headers });
  const received: unknown[] = [];
  const waiting: ((message: unknown) => void)[] = [];
  socket.on("message", (data: RawData) => {
    const message: unknown = JSON.parse((data as Buffer).toString());
    const waiter = waiting.shift();
    if (waiter === undefined) received.push(message);
    else waiter(message);
  });
  const closed = once(socket, "close").then(([code]) => code as number);
  const client: Client = {
    next: () =>
      received.length > 0
        ? Promise.resolve(received.shift())
        : due(new Promise((resolve) => waiting.push(resolve)), "a message"),
    send: (message) => {
      socket.send(JSON.stringify(message));
    },
    closed,
    close: () => {
      socket.close();
    },
  };
  await once(socket, "open");
  assert.deepEqual(await client.next(), { connection: "ok" });
  return client;
}
