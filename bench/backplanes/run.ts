/** Performs one run in a process of its own: the parent sends the run, and receives its figures. */
import { once } from "node:events";

import { perform } from "./cases.ts";
import type { Run } from "./cases.ts";
import { DESIGNS } from "./designs/index.ts";
import type { DesignName } from "./designs/index.ts";

// The parent has the same version.
const [{ design, run }] = (await once(process, "message")) as [{ design: DesignName; run: Run }];
process.send?.(await perform(DESIGNS[design], run));
process.disconnect();
