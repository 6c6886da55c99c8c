import assert from "node:assert/strict";
import fc from "fast-check";
import { evaluateStack } from "../../infra/evaluation/evaluate.ts";
import type { DeclaredGraph } from "../../infra/evaluation/graph.ts";
import { endToEnd, fromRaw, type Headers } from "../../local/model/headers.ts";
import { type HealthState, INITIAL_HEALTH, judge } from "../../local/model/health.ts";
import { redirectLocation } from "../../local/model/loadBalancer/action.ts";
import { decide, type Listener } from "../../local/model/loadBalancer/listener.ts";
import { forwardedHeaders, readLoadBalancers } from "../../local/model/loadBalancer/loadBalancer.ts";
import {
  type Candidate,
  chooseTarget,
  matchesStatus,
  readTargetGroups,
} from "../../local/model/loadBalancer/targetGroup.ts";
import {
  decide as decideAtEdge,
  type Distribution,
  originHeaders,
  readDistributions,
} from "../../local/model/edge/distribution.ts";
import { coverage } from "../../local/model/coverage.ts";
import { readParts } from "../../local/model/parts.ts";
import { readService } from "../../local/model/service.ts";
import { reachingFrom, readBackplane } from "../../local/model/backplane.ts";
import { declaration } from "../../local/model/declaration.ts";
import { matchesWildcard } from "../../local/model/wildcard.ts";
import { restartDelayMs } from "../../local/runtime/tasks/tasks.ts";
import {
  BACKPLANE_USER,
  type Changes,
  resource,
  rule,
  SECRET,
  SECRET_HEADER,
  wholePath,
} from "./support/graph.ts";

function onlyBalancer(changes: Changes = {}) {
  const [balancer] = readLoadBalancers(wholePath(changes));
  assert.ok(balancer);
  return balancer;
}

function onlyListener(changes: Changes = {}): Listener {
  const [listener] = onlyBalancer(changes).listeners;
  assert.ok(listener);
  return listener;
}

function onlyDistribution(graph: DeclaredGraph): Distribution {
  const [distribution] = readDistributions(graph);
  assert.ok(distribution);
  return distribution;
}

const get = (headers: Headers, target = "/") => ({ method: "GET", target, headers });

describe("local model: wildcards", () => {
  it("agree with a regular expression of the same meaning", () => {
    const pattern = fc.string({ unit: fc.constantFrom("a", "b", "*", "?"), maxLength: 8 });
    const text = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 10 });
    fc.assert(
      fc.property(pattern, text, (p, t) => {
        const reference = new RegExp(`^${p.replaceAll("*", ".*").replaceAll("?", ".")}$`);
        assert.equal(matchesWildcard(p, t), reference.test(t));
      }),
    );
  });

  it("take no long time over many stars", () => {
    assert.equal(matchesWildcard("*a".repeat(60) + "b", "a".repeat(100_000)), false);
  });
});

describe("local model: load balancer", () => {
  it("takes every value from the declaration", () => {
    const balancer = onlyBalancer({
      loadBalancer: { xffHeaderProcessingMode: "remove" },
    });
    assert.equal(balancer.idleTimeoutSeconds, 40);
    assert.equal(balancer.xffHeaderProcessingMode, "remove");
    const [group] = readTargetGroups(wholePath());
    assert.ok(group);
    assert.equal(group.healthCheck.path, "/alive");
    assert.equal(group.healthCheck.matcher, "200");
    assert.equal(group.deregistrationDelaySeconds, 1);
  });

  it("forwards with the secret header, whatever its case, and answers the declared 403 without", () => {
    const listener = onlyListener();
    assert.deepEqual(decide(listener, get([[SECRET_HEADER.toLowerCase(), SECRET]])), {
      type: "forward",
      targetGroupArn: "arn:group",
    });
    for (const headers of [[], [[SECRET_HEADER, `${SECRET}x`]], [["X-Other", SECRET]]] as Headers[]) {
      assert.deepEqual(decide(listener, get(headers)), {
        type: "fixed-response",
        status: 403,
        contentType: "text/plain",
        body: "go away",
      });
    }
  });

  it("asks the rules by priority, in whatever order they were declared", () => {
    const priorities = fc.uniqueArray(fc.integer({ min: 1, max: 50_000 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(priorities, (order) => {
        const rules = order.map((priority) =>
          rule(priority, [{ pathPattern: { values: ["/*"] } }], {
            type: "forward",
            targetGroupArn: String(priority),
          }),
        );
        const action = decide(onlyListener({ rules }), get([]));
        assert.deepEqual(action, { type: "forward", targetGroupArn: String(Math.min(...order)) });
      }),
      { numRuns: 30 },
    );
  });

  it("asks a rule without a priority last, as AWS counts on from the highest", () => {
    const forward = { type: "forward", targetGroupArn: "arn:group" };
    const { inputs, ...unnumbered } = rule(1, [{ pathPattern: { values: ["/*"] } }], {
      ...forward,
      targetGroupArn: "arn:last",
    });
    const { priority: _, ...others } = inputs;
    const rules = [
      { ...unnumbered, inputs: others },
      rule(9, [{ pathPattern: { values: ["/x"] } }], forward),
    ];
    const listener = onlyListener({ rules });
    assert.deepEqual(decide(listener, get([], "/x")), forward);
    assert.deepEqual(decide(listener, get([], "/y")), { ...forward, targetGroupArn: "arn:last" });
  });

  it("forwards with a renewed secret, and with the one before it, as the program declares them", async () => {
    const graph = await evaluateStack({ stack: "dev", config: { "websocket:originSecretGeneration": "3" } });
    const [listener] = readLoadBalancers(graph)[0]?.listeners ?? [];
    assert.ok(listener);
    const [condition] = listener.rules[0]?.conditions ?? [];
    assert.ok(condition?.header);
    assert.equal(condition.values.length, 2);
    for (const value of condition.values) {
      assert.equal(decide(listener, get([[condition.header, value]])).type, "forward");
    }
    assert.equal(decide(listener, get([[condition.header, "older"]])).type, "fixed-response");
  });

  it("holds a rule only where all of its conditions hold, each by any of its values", () => {
    const rules = [
      rule(
        1,
        [
          { hostHeader: { values: ["*.example.com", "example.com"] } },
          { pathPattern: { values: ["/api/*"] }, httpRequestMethod: { values: ["GET"] } },
        ],
        { type: "forward", forward: { targetGroups: [{ arn: "arn:group" }] } },
      ),
    ];
    const listener = onlyListener({ rules });
    const type = (host: string, target: string, method = "GET"): string =>
      decide(listener, { method, target, headers: [["Host", host]] }).type;
    assert.equal(type("WWW.example.com:8080", "/api/x?y=/other"), "forward");
    assert.equal(type("example.com", "/api/"), "forward");
    assert.equal(type("example.org", "/api/"), "fixed-response");
    assert.equal(type("example.com", "/API/"), "fixed-response");
    assert.equal(type("example.com", "/api/", "POST"), "fixed-response");
  });

  it("names the resource and the path of what it cannot play", () => {
    const action = { type: "forward", targetGroupArn: "arn:group" };
    const cases: readonly (readonly [Changes, RegExp])[] = [
      [
        { rules: [rule(1, [{ sourceIp: { values: ["::/0"] } }], action)] },
        /"rule-1" conditions\[0\].*sourceIp/,
      ],
      [{ rules: [rule(1, [{ httpHeader: { httpHeaderName: "A" } }], action)] }, /conditions\[0\]/],
      [{ listener: { protocol: "TCP" } }, /Listener "http": protocol .* HTTP, HTTPS to be played here/],
      [{ listener: { defaultActions: [] } }, /"http": defaultActions must hold one action/],
      [
        { loadBalancer: { idleTimeout: "soon" } },
        /"balancer": idleTimeout is a string, and must be a number/,
      ],
    ];
    for (const [changes, message] of cases) assert.throws(() => onlyListener(changes), message);
  });

  it("fills a redirect's placeholders", () => {
    const parts = {
      protocol: "HTTPS",
      host: "#{host}",
      port: "443",
      path: "/#{path}",
      query: "#{query}&from=#{port}",
    };
    const request = get([["Host", "a.example:80"]], "/deep/page?x=1");
    const location = (localPort: (declared: number) => number) =>
      redirectLocation(parts, request, { protocol: "HTTP", port: 80 }, localPort);
    assert.equal(
      location((declared) => declared),
      "https://a.example:443/deep/page?x=1&from=80",
    );
    assert.equal(
      location((declared) => declared + 8000),
      "https://a.example:8443/deep/page?x=1&from=80",
    );
  });

  it("drops invalid header fields only where declared, and treats X-Forwarded-For as declared", () => {
    const headers: Headers = [
      ["X-Good", "1"],
      ["x_bad", "2"],
      ["X-Forwarded-For", "9.9.9.9"],
    ];
    const listener = { protocol: "HTTP", port: 80 } as const;
    const seen = (loadBalancer: Changes["loadBalancer"] & object) =>
      Object.fromEntries(forwardedHeaders(onlyBalancer({ loadBalancer }), listener, headers, "10.0.0.1"));
    const plain = { "X-Good": "1", "X-Forwarded-Proto": "http", "X-Forwarded-Port": "80" };
    assert.deepEqual(seen({}), { ...plain, "X-Forwarded-For": "9.9.9.9, 10.0.0.1" });
    assert.deepEqual(seen({ xffHeaderProcessingMode: "preserve" }), {
      ...plain,
      "X-Forwarded-For": "9.9.9.9",
    });
    assert.deepEqual(seen({ xffHeaderProcessingMode: "remove", dropInvalidHeaderFields: false }), {
      ...plain,
      x_bad: "2",
    });
  });

  it("chooses among the healthy, or among all where none is, the one with the fewest open requests", () => {
    const target = fc.record({ healthy: fc.boolean(), outstanding: fc.nat(5) });
    fc.assert(
      fc.property(fc.array(target, { minLength: 1, maxLength: 6 }), fc.nat(100), (targets, turn) => {
        const chosen = chooseTarget("least_outstanding_requests", targets, turn);
        assert.ok(chosen);
        const usable = targets.some(({ healthy }) => healthy)
          ? targets.filter(({ healthy }) => healthy)
          : targets;
        assert.ok(usable.includes(chosen));
        assert.ok(usable.every(({ outstanding }) => outstanding >= chosen.outstanding));
      }),
    );
    assert.equal(chooseTarget<Candidate>("round_robin", [], 3), undefined);
  });

  it("goes round in turn with round_robin, and among equals with least_outstanding_requests", () => {
    const targets = [0, 1, 2].map((id) => ({ id, healthy: true, outstanding: 4 }));
    for (const algorithm of ["round_robin", "least_outstanding_requests"] as const) {
      const ids = [0, 1, 2, 3].map((turn) => chooseTarget(algorithm, targets, turn)?.id);
      assert.deepEqual(ids, [0, 1, 2, 0]);
    }
  });

  it("reads a health check's matcher", () => {
    assert.ok(
      matchesStatus("200", 200) && matchesStatus("200,202", 202) && matchesStatus("200-299,401", 204),
    );
    assert.ok(!matchesStatus("200", 204) && !matchesStatus("200,202", 201) && !matchesStatus("200-299", 300));
  });
});

describe("local model: health", () => {
  const thresholds = { healthy: 3, unhealthy: 2 };
  const after = (results: readonly boolean[]): HealthState =>
    results.reduce((state, passed) => judge(state, passed, thresholds), INITIAL_HEALTH);

  it("is healthy at the first success, and after a failure run only at the threshold", () => {
    assert.equal(after([]).health, "initial");
    assert.equal(after([false]).health, "initial");
    assert.equal(after([true]).health, "healthy");
    assert.equal(after([true, false]).health, "healthy");
    assert.equal(after([true, false, false]).health, "unhealthy");
    assert.equal(after([true, false, false, true, true]).health, "unhealthy");
    assert.equal(after([true, false, false, true, true, true]).health, "healthy");
  });

  it("depends on the last run of equal results, for every history", () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 20 }), (results) => {
        const tail = (value: boolean): number => results.length - 1 - results.lastIndexOf(!value);
        const { health } = after(results);
        if (tail(false) >= thresholds.unhealthy) assert.equal(health, "unhealthy");
        if (tail(true) >= thresholds.healthy) assert.equal(health, "healthy");
        assert.equal(health === "initial", !results.includes(true) && results.length < thresholds.unhealthy);
      }),
    );
  });
});

describe("local model: edge", () => {
  const secureGet = { secure: true, method: "GET", target: "/" };

  it("admits, redirects or refuses plain HTTP as declared", () => {
    const policies = { "https-only": "refuse", "redirect-to-https": "redirect", "allow-all": "forward" };
    for (const [viewerProtocolPolicy, type] of Object.entries(policies)) {
      const edge = onlyDistribution(wholePath({ behavior: { viewerProtocolPolicy } }));
      assert.equal(decideAtEdge(edge, { ...secureGet, secure: false }).type, type);
      assert.equal(decideAtEdge(edge, secureGet).type, "forward");
    }
  });

  it("serves the default root object at the root alone, with the query kept", () => {
    const edge = onlyDistribution(wholePath());
    const targetOf = (target: string) => {
      const decision = decideAtEdge(edge, { ...secureGet, target });
      return decision.type === "forward" ? decision.target : decision.type;
    };
    assert.equal(targetOf("/"), "/start.html");
    assert.equal(targetOf("/?a=1"), "/start.html?a=1");
    assert.equal(targetOf("/other/"), "/other/");
  });

  it("refuses a method that is not declared", () => {
    const decision = decideAtEdge(onlyDistribution(wholePath()), { ...secureGet, method: "DELETE" });
    assert.equal(decision.type, "refuse");
  });

  it("takes the first behaviour whose path matches", () => {
    const orderedCacheBehaviors = [
      {
        pathPattern: "/open/*",
        targetOriginId: "balancer",
        viewerProtocolPolicy: "allow-all",
        allowedMethods: ["GET"],
      },
    ];
    const edge = onlyDistribution(wholePath({ distribution: { orderedCacheBehaviors } }));
    assert.equal(decideAtEdge(edge, { secure: false, method: "GET", target: "/open/x" }).type, "forward");
    assert.equal(decideAtEdge(edge, { secure: false, method: "GET", target: "/else" }).type, "refuse");
  });

  it("replaces what a viewer sends under the secret header's name, and says who forwarded", () => {
    const edge = onlyDistribution(wholePath());
    const decision = decideAtEdge(edge, secureGet);
    assert.equal(decision.type, "forward");
    const headers: Headers = [
      ["Host", "localhost"],
      [SECRET_HEADER.toUpperCase(), "forged"],
      ["Sec-WebSocket-Key", "k"],
      ["Connection", "Upgrade, X-Mine"],
      ["X-Mine", "1"],
    ];
    assert.deepEqual(originHeaders(edge, decision, headers, "::1"), [
      ["Host", "localhost"],
      ["Sec-WebSocket-Key", "k"],
      ["User-Agent", "Amazon CloudFront"],
      ["X-Forwarded-For", "::1"],
      ["Via", "1.1 edge.example (CloudFront)"],
      [SECRET_HEADER, SECRET],
    ]);
  });

  it("passes on no header of the viewer's without an origin request policy", () => {
    const edge = onlyDistribution(wholePath({ behavior: { originRequestPolicyId: undefined } }));
    const decision = decideAtEdge(edge, secureGet);
    assert.equal(decision.type, "forward");
    const names = originHeaders(edge, decision, [["Sec-WebSocket-Key", "k"]], "::1").map(([name]) => name);
    assert.deepEqual(names, ["Host", "User-Agent", "X-Forwarded-For", "Via", SECRET_HEADER]);
  });
});

describe("local model: service", () => {
  it("takes the task from the declaration", () => {
    const { container, ...service } = readService(wholePath());
    assert.deepEqual(container, {
      name: "server",
      port: 9000,
      environment: { PORT: "9000", GREETING: "declared" },
      stopTimeoutSeconds: 2,
      healthCheck: {
        args: ["health"],
        intervalSeconds: 30,
        timeoutSeconds: 5,
        startPeriodSeconds: 0,
        thresholds: { healthy: 1, unhealthy: 2 },
      },
    });
    assert.equal(service.circuitBreakerThreshold, 3);
    assert.equal(service.healthCheckGraceSeconds, 0);
  });

  it("gives a container what its secrets hold, and refuses those that nobody declares", () => {
    const { environment } = readService(wholePath({ backplane: {} })).container;
    assert.equal(environment["BACKPLANE_PASSWORD"], BACKPLANE_USER.password);
    const secrets = [{ name: "OTHER", valueFrom: "arn:elsewhere" }];
    assert.throws(() => readService(wholePath({ container: { secrets } })), /secrets\[0\]: valueFrom/);
  });

  it("starts a successor first, unless the declared percentage leaves no room for it", () => {
    const first = (deploymentMaximumPercent: number | undefined, tasks: number): boolean =>
      readService(wholePath({ service: { deploymentMaximumPercent } }), tasks).successorFirst;
    assert.deepEqual([first(undefined, 1), first(200, 1), first(100, 1)], [true, true, false]);
    assert.deepEqual([first(150, 1), first(150, 2)], [false, true]);
  });

  it("counts as asked, else the scalable minimum, and never above the declared maximum", () => {
    assert.equal(readService(wholePath({ scaling: { minCapacity: 2 } })).desiredCount, 2);
    assert.equal(readService(wholePath(), 3).desiredCount, 3);
    assert.throws(
      () => readService(wholePath(), 4),
      /--tasks is 4, and stack test declares at most 3 .*scaling.*-c maxTasks=4/,
    );
  });

  it("refuses a container whose program it cannot know", () => {
    assert.throws(
      () => readService(wholePath({ container: { command: ["sh"] } })),
      /command cannot be played/,
    );
    const healthCheck = { command: ["CMD-SHELL", "curl localhost"] };
    assert.throws(() => readService(wholePath({ container: { healthCheck } })), /must begin with CMD node/);
    assert.throws(() => readService(wholePath({ container: { portMappings: [] } })), /do not hold 9000/);
  });

  it("restarts at once after a healthy life, and backs off after failures", () => {
    assert.deepEqual([0, 1, 2, 3, 10].map(restartDelayMs), [0, 1000, 2000, 4000, 30_000]);
  });
});

describe("local model: backplane", () => {
  it("takes every value from the declaration, the user by way of its group", () => {
    assert.deepEqual(readBackplane(wholePath({ backplane: {} })), {
      name: "cache",
      engine: "valkey 9",
      address: "cache.internal.example",
      port: 7000,
      maxGB: 4,
      user: { ...BACKPLANE_USER, access: "on ~key* -@all +xadd +client|setname" },
    });
    assert.equal(readBackplane(wholePath()), undefined);
  });

  it("refuses another engine, and users that it does not know", () => {
    assert.throws(() => readBackplane(wholePath({ backplane: { engine: "memcached" } })), /engine .* valkey/);
    assert.throws(() => readBackplane(wholePath({ backplane: { userGroupId: "x" } })), /id x is declared/);
  });

  it("leads to the started one whatever names its endpoint, and to nothing else", () => {
    const backplane = readBackplane(wholePath({ backplane: {} }));
    assert.ok(backplane);
    const environment = {
      A: "rediss://tasks@cache.internal.example:7000",
      B: "rediss://cache.internal.example:7000",
      C: "rediss://tasks@cache.internal.example:7001",
      D: "cache.internal.example",
      E: "",
    };
    const started = { host: "127.0.0.1", port: 42, cluster: false };
    assert.deepEqual(reachingFrom(environment, backplane, started), {
      ...environment,
      A: "redis://tasks@127.0.0.1:42",
      B: "redis://127.0.0.1:42",
      WEBSOCKET_VALKEY_CLUSTER: "false",
    });
  });

  it("is one line of the declaration, which says who plays it", () => {
    const graph = wholePath({ backplane: {} });
    const lineFor = (valkeyServer?: string): string | undefined =>
      declaration(graph, coverage(graph), readParts(graph, {}), { valkeyServer }).path.find(
        ({ part }) => part === "backplane",
      )?.text;
    assert.equal(lineFor("/opt/bin/valkey-server"), "valkey 9, at most 4 GB, played by valkey-server");
    assert.equal(lineFor(), "valkey 9, at most 4 GB, played by an embedded stand-in");
  });
});

describe("local model: headers", () => {
  it("keeps order, case and repetition, and removes the fields of one hop", () => {
    const raw = [
      "B",
      "1",
      "a",
      "2",
      "B",
      "3",
      "Connection",
      "keep-alive, X-One",
      "x-one",
      "4",
      "TE",
      "trailers",
    ];
    assert.deepEqual(endToEnd(fromRaw(raw)), [
      ["B", "1"],
      ["a", "2"],
      ["B", "3"],
    ]);
  });

  it("keeps what delimits a message and names its host, whatever Connection says", () => {
    const raw = [
      "Connection",
      "Content-Length, host,X-One",
      "content-length",
      "3",
      "Host",
      "h",
      "X-One",
      "1",
    ];
    assert.deepEqual(endToEnd(fromRaw(raw)), [
      ["content-length", "3"],
      ["Host", "h"],
    ]);
  });
});

describe("local model: errors", () => {
  it("never quotes a value, which may be a secret", () => {
    const wrong = resource(
      "aws:lb/loadBalancer:LoadBalancer",
      "b",
      { idleTimeout: "topsecret" },
      { dnsName: "d" },
    );
    const graph = { ...wholePath(), resources: [wrong] };
    assert.throws(
      () => readLoadBalancers(graph),
      (error: Error) => !error.message.includes("topsecret"),
    );
  });
});
