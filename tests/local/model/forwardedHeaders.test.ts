import assert from "node:assert/strict";
import type { Headers } from "../../../local/model/headers.ts";
import { forwardedHeaders } from "../../../local/model/loadBalancer/forwardedHeaders.ts";
import { readLoadBalancers } from "../../../local/model/loadBalancer/loadBalancer.ts";
import { refusalStatus } from "../../../local/model/loadBalancer/requestLimits.ts";
import { type Changes, wholePath } from "../support/graph.ts";

const LISTENER = { protocol: "HTTP", port: 80 } as const;
const TRACE = "1-67891233-abcdef012345678912345678";
const ORIGIN = {
  peerAddress: "203.0.113.7",
  peerPort: 40_000,
  receivedAtSeconds: 0x67891233,
  traceId: "abcdef012345678912345678",
};
const IPV6 = { ...ORIGIN, peerAddress: "2001:db8::1" };

function forwarded(
  headers: Headers,
  loadBalancer: Changes["loadBalancer"] = {},
  origin = ORIGIN,
  listener: Parameters<typeof forwardedHeaders>[1] = LISTENER,
): Readonly<Record<string, string>> {
  const [declared] = readLoadBalancers(wholePath({ loadBalancer }));
  assert.ok(declared);
  return Object.fromEntries(forwardedHeaders(declared, listener, headers, origin));
}

describe("the headers that a target receives", () => {
  it("have the protocol and the port of the listener, whatever the client states", () => {
    const stated: Headers = [
      ["x-forwarded-proto", "https"],
      ["X-FORWARDED-PORT", "1"],
    ];
    const sent = forwarded(stated, {}, ORIGIN, { protocol: "HTTPS", port: 8443 });
    assert.equal(sent["X-Forwarded-Proto"], "https");
    assert.equal(sent["X-Forwarded-Port"], "8443");
    assert.equal(sent["x-forwarded-proto"], undefined);
  });

  it("have the addresses of the client in the declared mode", () => {
    const two: Headers = [
      ["X-Forwarded-For", "9.9.9.9"],
      ["x-forwarded-for", "8.8.8.8"],
    ];
    const cases: readonly (readonly [Headers, Changes["loadBalancer"], typeof ORIGIN, string | undefined])[] =
      [
        [[], {}, ORIGIN, "203.0.113.7"],
        [[], {}, IPV6, "2001:db8::1"],
        [two, {}, ORIGIN, "9.9.9.9, 8.8.8.8, 203.0.113.7"],
        [[], { enableXffClientPort: true }, ORIGIN, "203.0.113.7:40000"],
        [[], { enableXffClientPort: true }, IPV6, "[2001:db8::1]:40000"],
        [[], { xffHeaderProcessingMode: "preserve" }, ORIGIN, undefined],
        [two.slice(0, 1), { xffHeaderProcessingMode: "preserve" }, ORIGIN, "9.9.9.9"],
        [two, { xffHeaderProcessingMode: "remove" }, ORIGIN, undefined],
      ];
    for (const [headers, loadBalancer, origin, expected] of cases) {
      assert.equal(forwarded(headers, loadBalancer, origin)["X-Forwarded-For"], expected);
    }
  });

  it("have a host without the default port, with another port, or unchanged if declared", () => {
    const cases: readonly (readonly [host: string, port: number, sent: string, preserved: string])[] = [
      ["example.com", 80, "example.com", "example.com"],
      ["Example.com:80", 80, "example.com", "Example.com:80"],
      ["example.com:8443", 443, "example.com", "example.com:8443"],
      ["example.com", 8080, "example.com:8080", "example.com"],
      ["example.com:8080", 8080, "example.com:8080", "example.com:8080"],
      ["[::1]:8443", 443, "[::1]", "[::1]:8443"],
    ];
    for (const [host, port, sent, preserved] of cases) {
      const listener = { protocol: "HTTP", port } as const;
      assert.equal(forwarded([["Host", host]], {}, ORIGIN, listener)["Host"], sent);
      const unchanged = forwarded([["Host", host]], { preserveHostHeader: true }, ORIGIN, listener);
      assert.equal(unchanged["Host"], preserved);
    }
    assert.equal(forwarded([])["Host"], "balancer.internal.example", "a request of HTTP/1.0 without a host");
  });

  it("drop names with other characters than letters, digits and hyphens, only if declared", () => {
    const headers: Headers = [
      ["X-Good-1", "1"],
      ["x_bad", "2"],
      ["bad!", "3"],
      ["b.d", "4"],
    ];
    const names = (loadBalancer: Changes["loadBalancer"]) =>
      Object.keys(forwarded(headers, loadBalancer)).filter((name) => headers.some(([sent]) => sent === name));
    assert.deepEqual(names({ dropInvalidHeaderFields: true }), ["X-Good-1"]);
    assert.deepEqual(names({ dropInvalidHeaderFields: false }), ["X-Good-1", "x_bad", "bad!", "b.d"]);
  });

  it("have a trace as AWS's examples have it", () => {
    const root = "Root=1-5759e988-bd862e3fe1be46a994272793";
    const cases: readonly (readonly [received: string, sent: string])[] = [
      ["", `Root=${TRACE}`],
      [root, `Self=${TRACE};${root}`],
      [`${root};CalledFrom=app`, `Self=${TRACE};${root};CalledFrom=app`],
      [`Self=1-5-old;${root}`, `Self=${TRACE};${root}`],
      [`${root};Padding=${"x".repeat(7 * 1024)}`, `Root=${TRACE}`],
    ];
    for (const [received, sent] of cases) {
      const headers: Headers = received === "" ? [] : [["x-amzn-trace-id", received]];
      assert.equal(forwarded(headers)["X-Amzn-Trace-Id"], sent);
    }
  });

  it("have no Expect, which the load balancer answers itself", () => {
    assert.equal(forwarded([["Expect", "100-continue"]])["Expect"], undefined);
  });
});

describe("a request that a load balancer refuses", () => {
  const HOST = ["Host", "a.example"] as const;
  const accepted = { httpVersion: "1.1", method: "GET", target: "/", headers: [HOST] };
  const withField = (name: string, value: string) => ({ headers: [HOST, [name, value]] satisfies Headers });
  const addresses = (count: number): string => Array.from({ length: count }, () => "10.0.0.1").join(",");
  const CASES: readonly (readonly [
    name: string,
    changes: Partial<Parameters<typeof refusalStatus>[0]>,
    status: number,
  ])[] = [
    ["has a request line of more than 16 K", { target: `/${"x".repeat(16 * 1024)}` }, 414],
    ["has a header of more than 16 K", withField("X-A", "x".repeat(16 * 1024)), 400],
    ["has no host", { headers: [] }, 400],
    ["has the method TRACE", { method: "TRACE" }, 405],
    ["has an unknown transfer coding", withField("Transfer-Encoding", "gzip, chunked"), 501],
    ["has more than 30 forwarded addresses", withField("X-Forwarded-For", addresses(31)), 463],
  ];
  for (const [name, changes, status] of CASES) {
    it(name, () => {
      assert.equal(refusalStatus({ ...accepted, ...changes }), status);
    });
  }

  it("is not one at the limits, and not one of HTTP/1.0 without a host", () => {
    const lineParts = "GET  HTTP/1.1".length;
    const atLimits = {
      target: `/${"x".repeat(16 * 1024 - lineParts - 1)}`,
      headers: [
        HOST,
        ["X-A", "x".repeat(16 * 1024 - "X-A: ".length)],
        ["Transfer-Encoding", "Chunked"],
        ["X-Forwarded-For", addresses(30)],
      ] satisfies Headers,
    };
    assert.equal(refusalStatus({ ...accepted, ...atLimits }), undefined);
    assert.equal(refusalStatus({ ...accepted, httpVersion: "1.0", headers: [] }), undefined);
  });
});
