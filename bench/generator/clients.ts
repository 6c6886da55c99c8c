import { openClient } from "./client.ts";
import type { Client } from "./client.ts";
import { DEFAULT_CHANNEL, PROTOCOLS } from "./protocols.ts";
import type { Position } from "./protocols.ts";
import type { RunTarget } from "./runs.ts";

const CONNECT_TIMEOUT_MS = 300_000;

export interface ClientGroupOptions {
  readonly target: RunTarget;
  readonly count: number;
  /** Handshakes at the same time. */
  readonly concurrency: number;
  /** @default the default channel */
  readonly channelsOf?: (index: number) => readonly string[];
  /** Where all clients resume. @default the end of each channel */
  readonly from?: Position;
  readonly onSubscribed?: (index: number, channel: string, position: Position) => void;
  readonly onBytes: (index: number, bytes: Buffer) => void;
  /** Called for every client that fails. */
  readonly onFailed: (error: Error) => void;
}

export interface ClientGroup {
  readonly all: readonly Client[];
  /** Resolves when all clients are ready; rejects after five minutes. */
  readonly ready: Promise<unknown>;
  /** Idempotent. */
  destroy(): void;
}

/** Opens many clients. Each client that is ready starts the next one. */
export function openClients(group: ClientGroupOptions): ClientGroup {
  const { target, count, concurrency, from, channelsOf = () => [DEFAULT_CHANNEL], onSubscribed } = group;
  const protocol = PROTOCOLS[target.protocol];
  const all: Client[] = [];
  const { promise, resolve, reject } = Promise.withResolvers<undefined>();
  let readyCount = 0;

  const timeout = setTimeout(() => {
    reject(new Error(`only ${readyCount} of ${count} clients have connected`));
  }, CONNECT_TIMEOUT_MS);

  function open(): void {
    const index = all.length;
    if (index === count) return;
    const client = openClient({
      host: target.host,
      port: target.ports[index % target.ports.length] ?? 0,
      hasTls: target.hasTls,
      protocol,
      channels: channelsOf(index),
      from,
      onSubscribed:
        onSubscribed &&
        ((channel, position) => {
          onSubscribed(index, channel, position);
        }),
      onReady() {
        readyCount++;
        if (readyCount === count) {
          clearTimeout(timeout);
          resolve(undefined);
        } else open();
      },
      onBytes: (bytes) => {
        group.onBytes(index, bytes);
      },
      onFailed: group.onFailed,
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
