/* eslint-disable mocha/no-exports -- a fixture whose hooks several suites register. */
import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";

import { followRetained } from "./followRetained.ts";
import type { Retention } from "../../../app/src/log/log.ts";
import {
  idKeys,
  PARTITIONS,
  partitionOf,
  recordKey,
  storageKey,
  streamKey,
} from "../../../app/src/log/valkey/connection/partitions.ts";
import { createValkeyLog } from "../../../app/src/log/valkey/valkeyLog.ts";
import type { ValkeyLog, ValkeyLogOptions } from "../../../app/src/log/valkey/valkeyLog.ts";
import { MIB } from "../../../app/src/settings/units.ts";
import { addressAt, requireValkey, startProxy, startValkey } from "../../support/valkey.ts";
import type { Proxy, TestValkey } from "../../support/valkey.ts";
import { afterwards, silent, tearDown } from "../support/teardown.ts";
import { LogRecorder } from "./logRecorder.ts";

/** Every test has a server of its own, so one name is enough. */
export const channel = "channel";
export const STREAM_KEY = keysOf(channel).stream;

/** Returns the keys of a channel. */
export function keysOf(name: string): ChannelKeys {
  const partition = partitionOf(name);
  return {
    stream: streamKey(partition, name),
    record: recordKey(partition, name),
    ids: idKeys(partition, name),
  };
}

/** Keys of the sums of all charges. */
export const STORAGE_KEYS: readonly string[] = Array.from({ length: PARTITIONS }, (_, partition) =>
  storageKey(partition),
);

/** Returns the bytes that all channels are charged. */
export async function chargedBytes(server: Pick<TestValkey, "command">): Promise<number> {
  const sums = await Promise.all(
    STORAGE_KEYS.map((key) => server.command("HVALS", key) as Promise<string[]>),
  );
  return sums.flat().reduce((total, sum) => total + Number(sum.split(":")[1]), 0);
}

interface ChannelKeys {
  readonly stream: string;
  readonly record: string;
  readonly ids: readonly [string, string];
}

/** A Valkey server for each test of a suite. Everything that it opens is closed after the test. */
export interface ValkeyFixture {
  readonly server: TestValkey;
  readonly binary: string;
  open(options?: Partial<ValkeyLogOptions & Retention>): ValkeyLog;
  /** Starts a proxy to the server, on any port by default. */
  proxied(port?: number): Promise<Proxy & { readonly url: string }>;
}

export function useValkey(
  ...parameters: readonly [directives?: Parameters<typeof startValkey>[1]]
): ValkeyFixture {
  let server: TestValkey | undefined;
  let binary = "";

  beforeEach(async function () {
    binary = await requireValkey(this);
    const started = await startValkey(binary, ...parameters);
    afterwards(() => started.close());
    server = started;
  });

  afterEach(tearDown);

  const fixture: ValkeyFixture = {
    get server() {
      return server ?? assert.fail("There is no server before the first test.");
    },
    get binary() {
      return binary;
    },
    open(options) {
      const retention = {
        retainedMessages: 100_000,
        retainedBytes: 16 * MIB,
        retainedSeconds: 300,
        ...options,
      };
      const log = createValkeyLog({
        ...fixture.server.address,
        retentionOf: () => retention,
        publishTimeoutSeconds: 5,
        logger: silent,
        ...options,
      });
      afterwards(() => log.close());
      return log;
    },
    async proxied(port = 0) {
      const proxy = await startProxy({ to: fixture.server.port, port });
      afterwards(() => proxy.close());
      return { ...proxy, url: addressAt(proxy.port).url };
    },
  };
  return fixture;
}

/** Subscribes a recorder. Resolves when the log has begun to deliver. */
export async function follow(log: ValkeyLog, name = channel): Promise<LogRecorder> {
  const reader = new LogRecorder();
  reader.stop = followRetained(log, name, reader);
  await reader.begun();
  return reader;
}

/** Repeats a call until it succeeds. */
export async function untilStored<Answer>(call: () => Promise<Answer>): Promise<Answer> {
  for (;;) {
    try {
      return await call();
    } catch {
      await delay(10);
    }
  }
}
