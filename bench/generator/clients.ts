import { openClient } from "./client.ts";
import type { Client } from "./client.ts";
import { PROTOCOLS } from "./protocols.ts";
import type { RunTarget } from "./runs.ts";

/** Long enough for every server that is alive. */
const CONNECT_TIMEOUT_MS = 60_000;

export interface ClientGroupOptions {
  readonly target: RunTarget;
  readonly count: number;
  /** Handshakes under way at once. */
  readonly concurrency: number;
  /** Appended to the protocol's path. */
  readonly query?: string;
  readonly onGreeting?: (index: number, greeting: string) => void;
  readonly onBytes: (index: number, bytes: Buffer) => void;
  /** A client failed, now or later. */
  readonly onFailed: (error: Error) => void;
}

export interface ClientGroup {
  readonly all: readonly Client[];
  /** When all are ready. Rejects when that takes a minute. */
  readonly ready: Promise<unknown>;
  /** Idempotent. */
  destroy(): void;
}

/** Opens many clients, and the next one whenever one is ready. */
export function openClients(crowd: ClientGroupOptions): ClientGroup {
  const { target, count, concurrency, query } = crowd;
  const protocol = PROTOCOLS[target.protocol];
  const all: Client[] = [];
  const { promise, resolve, reject } = Promise.withResolvers<undefined>();
  let greeted = 0;

  const timeout = setTimeout(() => {
    reject(new Error(`only ${greeted} of ${count} clients could connect`));
  }, CONNECT_TIMEOUT_MS);

  function open(): void {
    const index = all.length;
    if (index === count) return;
    const client = openClient({
      host: target.host,
      port: target.ports[index % target.ports.length] ?? 0,
      protocol,
      ...(query === undefined ? {} : { query }),
      onReady(greeting) {
        crowd.onGreeting?.(index, greeting);
        greeted++;
        if (greeted === count) {
          clearTimeout(timeout);
          resolve(undefined);
        } else open();
      },
      onBytes: (bytes) => {
        crowd.onBytes(index, bytes);
      },
      onFailed: crowd.onFailed,
    });
    all.push(client);
  }
  for (let index = 0; index < Math.min(concurrency, count); index++) open();

  return {
    all,
    ready: promise,
    destroy() {
      clearTimeout(timeout);
      for (const client of all) client.destroy();
    },
  };
}
