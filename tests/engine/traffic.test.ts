import assert from "node:assert/strict";
import type { Call, Properties } from "./support/cloud.ts";
import { Traffic } from "./support/traffic.ts";
import { DISTRIBUTION, LISTENER, LISTENER_RULE, LOAD_BALANCER, RECORD, SERVICE } from "./support/types.ts";

/** A call for a resource whose ID, name, ARN and domain name are equal. */
const call = (method: Call["method"], type: string, name: string, inputs: Properties = {}): Call => ({
  method,
  type,
  name,
  id: name,
  inputs,
  ...(method === "create" && { outputs: { arn: name, dnsName: name, domainName: name } }),
});

const loadBalancer = (name: string): readonly Call[] => [
  call("create", LOAD_BALANCER, name),
  call("create", LISTENER, `${name}-listener`, {
    loadBalancerArn: name,
    defaultActions: [{ type: "fixed-response" }],
  }),
];
const rule = (method: Call["method"], of: string, header: string, ...values: string[]): Call =>
  call(method, LISTENER_RULE, `${of}-rule`, {
    listenerArn: `${of}-listener`,
    conditions: [{ httpHeader: { httpHeaderName: header, values } }],
    actions: [{ type: "forward", targetGroupArn: `${of}-targets` }],
  });
const service = (method: Call["method"], behind: string): Call =>
  call(method, SERVICE, "service", { loadBalancers: [{ targetGroupArn: `${behind}-targets` }] });
const distribution = (method: Call["method"], to: string, value: string, more: Properties = {}): Call =>
  call(method, DISTRIBUTION, "edge", {
    origins: [{ domainName: to, customHeaders: [{ name: "X-A", value }], ...more }],
  });
const record = (to: string): Call =>
  call("create", RECORD, "ws.example.com", { name: "ws.example.com", aliases: [{ name: to }] });

const ONE = [...loadBalancer("one"), rule("create", "one", "X-A", "a"), service("create", "one")];
const BEFORE = [...ONE, distribution("create", "one", "a")];
const ANOTHER = [...loadBalancer("two"), rule("create", "two", "X-A", "a")];

/** The transitions show what passes. */
describe("the check of the traffic", () => {
  for (const [what, calls, why] of [
    [
      "the rule forgets the old value before the distribution does",
      [rule("update", "one", "X-A", "b")],
      /refused/,
    ],
    ["the distribution sends what no rule accepts yet", [distribution("update", "one", "b")], /refused/],
    ["the service goes", [service("delete", "one")], /no tasks/],
    [
      "the distribution is moved before the service",
      [...ANOTHER, distribution("update", "two", "a")],
      /no tasks/,
    ],
    ["the load balancer goes", [call("delete", LOAD_BALANCER, "one")], /no load balancer/],
    [
      "two load balancers share a target group",
      [
        ...loadBalancer("two"),
        {
          ...rule("create", "one", "X-A", "a"),
          id: "another",
          inputs: { ...rule("create", "one", "X-A", "a").inputs, listenerArn: "two-listener" },
        },
      ],
      /one target group/,
    ],
    ["a name refers to a missing resource", [record("missing")], /leads nowhere/],
    ["a name leads to a load balancer that answers 403", [record("one")], /is refused/],
    ["a name leads to a distribution without it", [record("edge")], /does not have the name/],
    [
      "a name leads to a load balancer before the service does",
      [
        call("create", LOAD_BALANCER, "open"),
        call("create", LISTENER, "open-listener", {
          loadBalancerArn: "open",
          defaultActions: [{ type: "forward", targetGroupArn: "open-targets" }],
        }),
        record("open"),
      ],
      /no tasks/,
    ],
  ] as const) {
    it(`fails when ${what}`, () => {
      assert.throws(() => {
        new Traffic().follow([...BEFORE, ...calls]);
      }, why);
    });
  }
});
