/** The memory of the process. */
import assert from "node:assert/strict";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

import { waitUntil } from "../../support/waitUntil.ts";

/** Bytes of JavaScript values and buffers that are still reachable. */
export function memoryInUse(): number {
  setFlagsFromString("--expose-gc");
  const collectGarbage = runInNewContext("gc") as () => void;
  collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** For memory in use, in bytes: buffers are freed behind the collector, which a busy machine lets wait. */
export async function growsByLessThan(bytes: number, since: number): Promise<void> {
  let grown = Infinity;
  const isSmall = (): boolean => (grown = memoryInUse() - since) < bytes;
  await waitUntil(isSmall, { everyMs: 100 }).catch(() => {
    assert.fail(`${Math.round(grown / 2 ** 20)} MiB, and must be below ${Math.round(bytes / 2 ** 20)}`);
  });
}
