import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { readTargetGroups } from "../../local/model/targetGroup.ts";
import { createTargets, type Registration } from "../../local/targets.ts";
import { wholePath } from "./support/graph.ts";

/** Far longer than a test may take. */
const DELAY_SECONDS = 300;

describe("local targets", () => {
  const server = createServer((_request, response) => response.end());
  let registration: Registration;

  before(async () => {
    await once(server.listen(0, "127.0.0.1"), "listening");
  });

  after(() => server.close());

  beforeEach(() => {
    const [group] = readTargetGroups(wholePath({ targetGroup: { deregistrationDelay: DELAY_SECONDS } }));
    assert.ok(group);
    const address = server.address();
    assert.ok(typeof address === "object" && address !== null);
    registration = createTargets(group).register(address.port, () => undefined);
  });

  afterEach(() => {
    registration.drop();
  });

  it("share one deregistration, which ends with the last open request", async () => {
    const ends = [registration.target.begin(), registration.target.begin()];
    const deregistered = [registration.deregister(), registration.deregister()];
    for (const end of ends) end();
    await Promise.all(deregistered);
  });

  it("are dropped at once, which ends a deregistration under way", async () => {
    registration.target.begin();
    const deregistered = registration.deregister();
    registration.drop();
    await deregistered;
    await registration.deregister();
  });
});
