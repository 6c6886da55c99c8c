/** What an existing listener must be, and the priorities of the rules on it. */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  headerPriority,
  hostPriority,
  MAX_FIRST_PRIORITY,
  PRIORITY_COUNT,
} from "../../../infra/config/data/listenerRulePriorities.ts";
import { checkListener } from "../../../infra/components/network/listenerChecks.ts";
import type {
  ListenerFacts,
  ListenerRequirements,
} from "../../../infra/components/network/listenerChecks.ts";

const FACTS: ListenerFacts = {
  protocol: "HTTP",
  port: 80,
  internal: false,
  idleTimeoutSeconds: 60,
  loadBalancerVpcId: "vpc-1",
};
const REQUIRED: ListenerRequirements = {
  clients: { kind: "cloudfront", internal: false, protocol: "HTTP" },
  vpcId: "vpc-1",
  heartbeatSeconds: 30,
};

describe("the check of an existing listener", () => {
  const check = (
    facts: Partial<ListenerFacts>,
    required: Partial<ListenerRequirements> = {},
  ): readonly string[] => checkListener({ ...FACTS, ...facts }, { ...REQUIRED, ...required });

  it("accepts a listener that fits", () => {
    assert.deepEqual(check({}), []);
    assert.deepEqual(check({ protocol: "HTTPS", port: 443 }, { clients: { kind: "everyone" } }), []);
    assert.deepEqual(
      check(
        { protocol: "HTTPS", port: 8443, internal: true },
        { clients: { kind: "cloudfront", internal: true, protocol: "HTTPS" } },
      ),
      [],
    );
  });

  it("accepts the lookup of a stand-in, which leaves out what the check compares", () => {
    for (const clients of [
      { kind: "everyone" },
      { kind: "cloudfront", internal: true, protocol: "HTTP" },
      { kind: "cloudfront", internal: false, protocol: "HTTPS" },
    ] as const) {
      assert.deepEqual(checkListener({ port: 443 }, { ...REQUIRED, clients }), []);
    }
  });

  const cases: readonly [
    title: string,
    facts: Partial<ListenerFacts>,
    required: Partial<ListenerRequirements>,
    message: RegExp,
  ][] = [
    [
      "HTTPS without a name for the origin",
      { protocol: "HTTPS", port: 443 },
      {},
      /^`listenerArn`: got an HTTPS listener; expected an HTTP listener, because `originTls` is empty\. Fix: set `originTls`/,
    ],
    [
      "HTTP with a name for the origin",
      {},
      { clients: { kind: "cloudfront", internal: false, protocol: "HTTPS" } },
      /^`listenerArn`: got an HTTP listener; expected an HTTPS listener, because `originTls` has a value\. Fix: remove/,
    ],
    [
      "HTTP for clients",
      {},
      { clients: { kind: "everyone" } },
      /^`listenerArn`: got an HTTP listener; expected an HTTPS listener, because clients connect with wss\. Fix: /,
    ],
    [
      "an internal load balancer without a VPC origin",
      { internal: true },
      {},
      /^`originAccess`: got public, .+ is internal; expected private\. Fix: set `originAccess` to private/,
    ],
    [
      "a public load balancer with a VPC origin",
      {},
      { clients: { kind: "cloudfront", internal: true, protocol: "HTTP" } },
      /^`originAccess`: got private, .+ is public; expected public\. Fix: set `originAccess` to public/,
    ],
    [
      "a port that CloudFront cannot use",
      { port: 81 },
      {},
      /got a listener on port 81; expected port 80, 443 or/,
    ],
    [
      "an idle timeout that is not longer than the heartbeat",
      { idleTimeoutSeconds: 30 },
      {},
      /^`heartbeatSeconds`: got 30; expected less than 30, the idle timeout .+ Fix: set `heartbeatSeconds` to 15, or increase/,
    ],
    [
      "another VPC",
      { loadBalancerVpcId: "vpc-2" },
      {},
      /^`vpcId`: got vpc-1; expected vpc-2, .+ Fix: set `vpcId` to vpc-2/,
    ],
  ];
  for (const [title, facts, required, message] of cases) {
    it(`rejects ${title}`, () => {
      const [first = "", ...others] = check(facts, required);
      assert.match(first, message);
      assert.deepEqual(others, []);
    });
  }

  it("reports everything at once", () => {
    assert.equal(check({ protocol: "HTTPS", port: 1, internal: true, idleTimeoutSeconds: 1 }).length, 4);
  });

  it("does not check the idle timeout if the server has another heartbeat", () => {
    assert.deepEqual(check({ idleTimeoutSeconds: 1 }, { heartbeatSeconds: undefined }), []);
  });
});

describe("the priorities on an existing listener", () => {
  const names = fc.stringMatching(/^X-Origin-[A-Za-z0-9-]{1,31}$/);
  const firsts = fc.integer({ min: 1, max: MAX_FIRST_PRIORITY });
  const generations = fc.integer({ min: 1, max: 1_000_000 });

  it("are in the range of the stack, and in that of AWS", () => {
    fc.assert(
      fc.property(firsts, names, generations, (first, name, generation) => {
        for (const priority of [hostPriority(first), headerPriority(first, { name, generation })]) {
          assert.ok(priority >= first && priority < first + PRIORITY_COUNT, String(priority));
          assert.ok(priority <= 50_000, String(priority));
        }
      }),
    );
  });

  it("differ between the generations of a rotation, and from that of a host", () => {
    fc.assert(
      fc.property(firsts, names, generations, (first, name, generation) => {
        const priorities = [0, 1, 2].map((step) =>
          headerPriority(first, { name, generation: generation + step }),
        );
        assert.equal(new Set([hostPriority(first), ...priorities]).size, 4);
      }),
    );
  });

  it("differ after a change of the header name, at the latest with another generation", () => {
    fc.assert(
      fc.property(names, names, generations, (from, to, generation) => {
        const old = headerPriority(1, { name: from, generation });
        assert.ok(
          headerPriority(1, { name: to, generation }) !== old ||
            headerPriority(1, { name: to, generation: generation + 1 }) !== old,
        );
      }),
    );
  });
});
