import assert from "node:assert/strict";
import fc from "fast-check";
import { evaluateStack } from "../../../infra/evaluation/evaluate.ts";
import type { Headers } from "../../../local/model/headers.ts";
import { redirectLocation } from "../../../local/model/loadBalancer/action.ts";
import { chooseAction, type DeclaredListener } from "../../../local/model/loadBalancer/listener.ts";
import { readLoadBalancers } from "../../../local/model/loadBalancer/loadBalancer.ts";
import {
  chooseTarget,
  matchesStatus,
  readTargetGroups,
  type TargetCandidate,
} from "../../../local/model/loadBalancer/targetGroup.ts";
import { type Changes, rule, SECRET, SECRET_HEADER, wholePath } from "../support/graph.ts";

const FORWARD = { type: "forward", targetGroupArn: "arn:group" };

/** The action that a rule with {@link FORWARD} has. */
function forwardTo(arn: string) {
  return { type: "forward", targetGroups: [{ arn, weight: 1 }], stickySeconds: undefined };
}
const EVERY_PATH = [{ pathPattern: { values: ["/*"] } }];

function onlyLoadBalancer(changes: Changes = {}) {
  const [loadBalancer] = readLoadBalancers(wholePath(changes));
  assert.ok(loadBalancer);
  return loadBalancer;
}

function onlyListener(changes: Changes = {}): DeclaredListener {
  const [listener] = onlyLoadBalancer(changes).listeners;
  assert.ok(listener);
  return listener;
}

const get = (headers: Headers, target = "/") => ({
  method: "GET",
  target,
  headers,
  peerAddress: "127.0.0.1",
});

describe("the declared load balancer", () => {
  it("has the declared values", () => {
    const loadBalancer = onlyLoadBalancer({ loadBalancer: { xffHeaderProcessingMode: "remove" } });
    assert.equal(loadBalancer.idleTimeoutSeconds, 40);
    assert.equal(loadBalancer.xffHeaderProcessingMode, "remove");
    const [group] = readTargetGroups(wholePath());
    assert.equal(group?.deregistrationDelaySeconds, 1);
    assert.deepEqual([group.healthCheck.path, group.healthCheck.matcher], ["/alive", "200"]);
  });

  it("is refused with an error that names the resource and the field, and shows no value", () => {
    const cases: readonly (readonly [Changes, RegExp])[] = [
      [
        { rules: [rule(1, [{ pathPattern: { regexValues: ["^/a"] } }], FORWARD)] },
        /"rule-1" conditions\[0\].*pathPattern/,
      ],
      [{ rules: [rule(1, [{ httpHeader: { httpHeaderName: "A" } }], FORWARD)] }, /conditions\[0\]/],
      [{ listener: { protocol: "TCP" } }, /"http": protocol: got a string; expected one of HTTP, HTTPS\.$/],
      [
        { listener: { defaultActions: [] } },
        /"http": defaultActions is unsupported .* expected one action\.$/,
      ],
      [
        { loadBalancer: { idleTimeout: "soon" } },
        /"balancer": idleTimeout: got a string; expected a number\.$/,
      ],
    ];
    for (const [changes, message] of cases) assert.throws(() => onlyListener(changes), message);
  });
});

describe("the listener rules", () => {
  it("forward requests with the secret header, and return the declared 403 without it", () => {
    const listener = onlyListener();
    assert.deepEqual(
      chooseAction(listener, get([[SECRET_HEADER.toLowerCase(), SECRET]])),
      forwardTo("arn:group"),
    );
    for (const headers of [[], [[SECRET_HEADER, `${SECRET}x`]], [["X-Other", SECRET]]] as Headers[]) {
      assert.deepEqual(chooseAction(listener, get(headers)), {
        type: "fixed-response",
        status: 403,
        contentType: "text/plain",
        body: "go away",
      });
    }
  });

  it("accept the rotated secret and the one before it, as the program declares", async () => {
    const graph = await evaluateStack({ stack: "dev", config: { "websocket:originSecretGeneration": "3" } });
    const [listener] = readLoadBalancers(graph)[0]?.listeners ?? [];
    const [condition] = listener?.rules[0]?.conditions ?? [];
    assert.ok(listener && condition?.kind === "http-header");
    const actions = [...condition.values, "older"].map(
      (value) => chooseAction(listener, get([[condition.header, value]])).type,
    );
    assert.deepEqual(actions, ["forward", "forward", "fixed-response"]);
  });

  it("apply by priority, in whatever order the program declares them", () => {
    const priorities = fc.uniqueArray(fc.integer({ min: 1, max: 50_000 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(priorities, (order) => {
        const rules = order.map((priority) =>
          rule(priority, EVERY_PATH, { type: "forward", targetGroupArn: String(priority) }),
        );
        const action = chooseAction(onlyListener({ rules }), get([]));
        assert.deepEqual(action, forwardTo(String(Math.min(...order))));
      }),
      { numRuns: 30 },
    );
  });

  it("without a priority apply last", () => {
    const last = { ...FORWARD, targetGroupArn: "arn:last" };
    const { inputs, ...unnumbered } = rule(1, EVERY_PATH, last);
    const { priority: _, ...others } = inputs;
    const rules = [
      { ...unnumbered, inputs: others },
      rule(9, [{ pathPattern: { values: ["/x"] } }], FORWARD),
    ];
    const listener = onlyListener({ rules });
    assert.deepEqual(
      ["/x", "/y"].map((target) => chooseAction(listener, get([], target))),
      [forwardTo("arn:group"), forwardTo("arn:last")],
    );
  });

  it("replace the placeholders of a redirect", () => {
    const parts = {
      protocol: "HTTPS",
      host: "#{host}",
      port: "443",
      path: "/#{path}",
      query: "#{query}&from=#{port}",
    };
    const request = get([["Host", "a.example:80"]], "/deep/page?x=1");
    assert.equal(
      redirectLocation(parts, request, { protocol: "HTTP", port: 80 }, (declared) => declared + 8000),
      "https://a.example:8443/deep/page?x=1&from=80",
    );
  });
});

describe("the choice of a target", () => {
  it("is a healthy one with the fewest open requests, or any if none is healthy", () => {
    const target = fc.record({ healthy: fc.boolean(), outstanding: fc.nat(5) });
    fc.assert(
      fc.property(fc.array(target, { minLength: 1, maxLength: 6 }), fc.nat(100), (targets, turn) => {
        const chosen = chooseTarget("least_outstanding_requests", targets, turn);
        assert.ok(chosen);
        const healthy = targets.filter((each) => each.healthy);
        const usable = healthy.length > 0 ? healthy : targets;
        assert.ok(usable.includes(chosen));
        assert.ok(usable.every(({ outstanding }) => outstanding >= chosen.outstanding));
      }),
    );
    assert.equal(chooseTarget<TargetCandidate>("round_robin", [], 3), undefined);
  });

  it("takes turns with round_robin, and among equal targets with least_outstanding_requests", () => {
    const targets = [0, 1, 2].map((id) => ({ id, healthy: true, outstanding: 4 }));
    for (const algorithm of ["round_robin", "least_outstanding_requests"] as const) {
      const ids = [0, 1, 2, 3].map((turn) => chooseTarget(algorithm, targets, turn)?.id);
      assert.deepEqual(ids, [0, 1, 2, 0]);
    }
  });

  it("depends on health checks that match single status codes, lists and ranges", () => {
    const matches = [
      ["200", 200],
      ["200,202", 202],
      ["200-299,401", 204],
    ] as const;
    for (const [matcher, status] of matches) assert.ok(matchesStatus(matcher, status), matcher);
    const others = [
      ["200", 204],
      ["200,202", 201],
      ["200-299", 300],
    ] as const;
    for (const [matcher, status] of others) assert.ok(!matchesStatus(matcher, status), matcher);
  });
});
