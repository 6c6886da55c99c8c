/** The memory that the channels of all tasks may use in Valkey. */
import { MIB } from "../../../app/src/settings/units.ts";

const GB = 1_000_000_000;

/**
 * Share of the cache that channels may use. At its maximum, ElastiCache evicts keys, which include acknowledged messages.
 * The rest is a reserve for keys that expire late and for memory that the server does not count.
 */
const BUDGET_SHARE = 0.75;

/** Returns the setting `valkeyBudgetMib` for the key `backplaneMaxGB`. */
export function backplaneBudgetMib(maxGB: number): number {
  return Math.floor((maxGB * GB * BUDGET_SHARE) / MIB);
}
