/** `npm run bench -- --capacity` */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { ExpectedError } from "../../app/src/settings/expectedError.ts";
import type { Machine } from "../results.ts";
import { measureCosts } from "./costs.ts";
import type { CostSetup } from "./costs.ts";
import { renderCapacity, replaceCapacity } from "./page.ts";

const PAGE = fileURLToPath(new URL("../../docs/capacity.md", import.meta.url));

/**
 * Measures the costs of the server, writes docs/capacity.md, and returns what it wrote.
 * @throws {ExpectedError} without a `valkey-server`, or if a run has no figures.
 */
export async function writeCapacity(
  setup: Omit<CostSetup, "startStore"> & Partial<Pick<CostSetup, "startStore">>,
  machine: Machine,
): Promise<string> {
  const { startStore } = setup;
  if (startStore === undefined) {
    throw new ExpectedError("--capacity requires a valkey-server, which this machine does not have.");
  }
  const costs = await measureCosts({ ...setup, startStore });
  const part = renderCapacity(costs, machine, new Date());
  writeFileSync(PAGE, replaceCapacity(readFileSync(PAGE, "utf8"), part));
  return part;
}
