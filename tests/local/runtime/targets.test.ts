import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { readTargetGroups } from "../../../local/model/loadBalancer/targetGroup.ts";
import { createTargets, type Registration } from "../../../local/runtime/tasks/targets.ts";
import { wholePath } from "../support/graph.ts";

/** Longer than the test's timeout. */
const DELAY_SECONDS = 300;

describe("targets", () => {
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

  it("deregister when the last open request ends, even if asked twice", async () => {
    const ends = [registration.target.beginRequest(), registration.target.beginRequest()];
    const deregistered = [registration.deregister(), registration.deregister()];
    for (const end of ends) end();
    await Promise.all(deregistered);
  });

  it("that are dropped complete their deregistration at once", async () => {
    registration.target.beginRequest();
    const deregistered = registration.deregister();
    registration.drop();
    await deregistered;
    await registration.deregister();
  });

  it("are not unhealthy while they start, however many checks fail", async () => {
    let checks = 0;
    const starting = createServer((_request, response) => {
      checks += 1;
      response.writeHead(checks > 5 ? 200 : 503).end();
    });
    await once(starting.listen(0, "127.0.0.1"), "listening");
    const [group] = readTargetGroups(wholePath({ healthCheck: { interval: DELAY_SECONDS } }));
    const address = starting.address();
    assert.ok(group && typeof address === "object" && address !== null);
    const health = Promise.withResolvers<string>();
    const started = createTargets(group).register(address.port, health.resolve);
    assert.equal(await health.promise, "healthy");
    started.drop();
    starting.close();
  });
});
