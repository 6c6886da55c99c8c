import assert from "node:assert/strict";
import type { Headers } from "../../../local/model/headers.ts";
import { chooseAction } from "../../../local/model/loadBalancer/listener.ts";
import { readLoadBalancers } from "../../../local/model/loadBalancer/loadBalancer.ts";
import { rule, wholePath } from "../support/graph.ts";

interface TestRequest {
  readonly method?: string;
  readonly target?: string;
  readonly headers?: Headers;
  readonly peerAddress?: string;
}

type Condition = Readonly<Record<string, unknown>>;

const path = (...values: readonly string[]): Condition => ({ pathPattern: { values } });
const host = (...values: readonly string[]): Condition => ({ hostHeader: { values } });
const header = (httpHeaderName: string, ...values: readonly string[]): Condition => ({
  httpHeader: { httpHeaderName, values },
});
const method = (...values: readonly string[]): Condition => ({ httpRequestMethod: { values } });
const query = (...queryStrings: readonly Condition[]): Condition => ({ queryStrings });
const source = (...values: readonly string[]): Condition => ({ sourceIp: { values } });
const withHost = (value: string): TestRequest => ({ headers: [["Host", value]] });

/** Conditions of one rule, a request, and whether the rule applies to it. */
const CASES: readonly (readonly [
  conditions: readonly Condition[],
  request: TestRequest,
  applies: boolean,
])[] = [
  // Paths are compared with their case, without the query.
  [[path("/img/*")], { target: "/img/a/b?x=1" }, true],
  [[path("/img/*")], { target: "/IMG/a" }, false],
  [[path("/img/*")], { target: "/other?path=/img/a" }, false],
  [[path("/a?c")], { target: "/abc" }, true],
  [[path("/a?c")], { target: "/ac" }, false],
  [[path("/a", "/b")], { target: "/b" }, true],
  // Hosts are compared without their case and their port, by the first Host header only.
  [[host("*.example.com")], withHost("WWW.Example.com:8443"), true],
  [[host("*.example.com")], withHost("example.com"), false],
  [
    [host("b.example")],
    {
      headers: [
        ["Host", "a.example"],
        ["Host", "b.example"],
      ],
    },
    false,
  ],
  [[host("a.example")], {}, false],
  // The names and the values of headers are compared without their case, in every field of the name.
  [[header("User-Agent", "*chrome*")], { headers: [["user-agent", "Mozilla Chrome/1"]] }, true],
  [
    [header("X-A", "two")],
    {
      headers: [
        ["X-A", "one"],
        ["x-a", "TWO"],
      ],
    },
    true,
  ],
  [[header("X-*", "one")], { headers: [["X-A", "one"]] }, false],
  [[header("X-A", "one")], {}, false],
  // Methods are compared with their case, without wildcards.
  [[method("GET", "HEAD")], { method: "HEAD" }, true],
  [[method("GET")], { method: "get" }, false],
  [[method("G*")], { method: "GET" }, false],
  // Query strings are compared without their case, by key and value, or by a value with any key.
  [[query({ key: "version", value: "v1" })], { target: "/?a=1&Version=V1" }, true],
  [[query({ key: "version", value: "v1" })], { target: "/?other=v1" }, false],
  [[query({ value: "*example*" })], { target: "/?x=an-EXAMPLE-of" }, true],
  [[query({ value: "a" }, { value: "b" })], { target: "/?b" }, true],
  [[query({ key: "k", value: "*" })], { target: "/?k=" }, true],
  [[query({ key: "k", value: "1\\*2" })], { target: "/?k=1*2" }, true],
  [[query({ key: "k", value: "1\\*2" })], { target: "/?k=102" }, false],
  [[query({ key: "k", value: "1?2" })], { target: "/?k=1?2" }, true],
  // Addresses are those of the connection.
  [[source("10.0.0.0/8", "2001:db8::/32")], { peerAddress: "10.9.8.7" }, true],
  [[source("10.0.0.0/8", "2001:db8::/32")], { peerAddress: "2001:db8::9" }, true],
  [[source("10.0.0.0/8")], { peerAddress: "::1" }, false],
  [[source("0.0.0.0/0")], { peerAddress: "203.0.113.7" }, true],
  [[source("10.0.0.0/8")], { peerAddress: "192.0.2.1", headers: [["X-Forwarded-For", "10.0.0.1"]] }, false],
  // Every condition must match.
  [[path("/a"), method("GET")], { target: "/a", method: "GET" }, true],
  [[path("/a"), method("GET")], { target: "/a", method: "POST" }, false],
  [[{ ...path("/a"), ...method("GET") }], { target: "/a", method: "POST" }, false],
];

describe("the conditions of a listener rule", () => {
  for (const [conditions, request, applies] of CASES) {
    it(`${JSON.stringify(conditions)} ${applies ? "match" : "do not match"} ${JSON.stringify(request)}`, () => {
      const rules = [rule(1, conditions, { type: "forward", targetGroupArn: "arn:group" })];
      const [listener] = readLoadBalancers(wholePath({ rules }))[0]?.listeners ?? [];
      assert.ok(listener);
      const head = { method: "GET", target: "/", headers: [], peerAddress: "127.0.0.1", ...request };
      assert.equal(chooseAction(listener, head).type, applies ? "forward" : "fixed-response");
    });
  }
});
