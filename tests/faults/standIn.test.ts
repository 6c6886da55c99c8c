/** Faults of tasks, clients and connections, on real processes, with the embedded stand-in for Valkey. */
import { tearDown } from "../app/support/teardown.ts";
import { startStandInStore } from "../support/standInStore.ts";
import { describeTaskAndClientFaults } from "./support/taskAndClientFaults.ts";

/** Fewer than with Valkey: the stand-in runs in the process of the tests. */
const CLIENTS = 150;

describe("faults, with the stand-in for Valkey", function () {
  this.timeout(240_000);

  afterEach(tearDown);

  describeTaskAndClientFaults({ startStore: startStandInStore, clients: CLIENTS });
});
