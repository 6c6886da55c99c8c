import { tearDown } from "../app/support/teardown.ts";
import { assertComplete } from "../faults/support/assertions.ts";
import { requireValkey } from "../support/valkey.ts";
import { runSoak } from "./soak.ts";

describe("a short soak", function () {
  this.timeout(300_000);

  afterEach(tearDown);

  it("loses and repeats no message over deployments, killed tasks, scaling and a restart of the backplane", async function () {
    const figures = await runSoak({
      clients: 100,
      deployments: 2,
      kills: 1,
      maxTasks: 3,
      valkeyServer: await requireValkey(this),
      onPhase({ name, seconds, reconnects }) {
        console.log(`      ${name}: ${seconds.toFixed(0)} s, ${reconnects} reconnects`);
      },
    });
    assertComplete(figures);
  });
});
