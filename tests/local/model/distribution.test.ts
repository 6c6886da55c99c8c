import assert from "node:assert/strict";
import {
  type DeclaredDistribution,
  originRequestHeaders,
  readDistributions,
  routeViewerRequest,
} from "../../../local/model/edge/distribution.ts";
import { applyResponseHeaders } from "../../../local/model/edge/responseHeadersPolicy.ts";
import type { Headers } from "../../../local/model/headers.ts";
import { type Changes, SECRET, SECRET_HEADER, wholePath } from "../support/graph.ts";

const secureGet = { secure: true, method: "GET", target: "/" };

function onlyDistribution(changes: Changes = {}): DeclaredDistribution {
  const [distribution] = readDistributions(wholePath(changes));
  assert.ok(distribution);
  return distribution;
}

function headersAtOrigin(edge: DeclaredDistribution, headers: Headers): Headers {
  const decision = routeViewerRequest(edge, secureGet);
  assert.equal(decision.type, "forward");
  return originRequestHeaders(edge, decision, headers, "::1", "request-1");
}

describe("the declared distribution", () => {
  it("forwards, redirects or refuses plain HTTP by the viewer protocol policy", () => {
    const policies = { "https-only": "refuse", "redirect-to-https": "redirect", "allow-all": "forward" };
    for (const [viewerProtocolPolicy, type] of Object.entries(policies)) {
      const edge = onlyDistribution({ behavior: { viewerProtocolPolicy } });
      assert.equal(routeViewerRequest(edge, { ...secureGet, secure: false }).type, type);
      assert.equal(routeViewerRequest(edge, secureGet).type, "forward");
    }
  });

  it("replaces only the root path by the default root object, and keeps the query", () => {
    const edge = onlyDistribution();
    const targetOf = (target: string) => {
      const decision = routeViewerRequest(edge, { ...secureGet, target });
      return decision.type === "forward" ? decision.target : decision.type;
    };
    assert.deepEqual(["/", "/?a=1", "/other/"].map(targetOf), ["/start.html", "/start.html?a=1", "/other/"]);
  });

  it("refuses a method that the behavior does not declare", () => {
    assert.equal(routeViewerRequest(onlyDistribution(), { ...secureGet, method: "DELETE" }).type, "refuse");
  });

  it("applies the first behavior whose path pattern matches", () => {
    const open = {
      pathPattern: "/open/*",
      targetOriginId: "balancer",
      viewerProtocolPolicy: "allow-all",
      allowedMethods: ["GET"],
    };
    const edge = onlyDistribution({ distribution: { orderedCacheBehaviors: [open] } });
    const typeOf = (target: string) =>
      routeViewerRequest(edge, { secure: false, method: "GET", target }).type;
    assert.deepEqual(["/open/x", "/else"].map(typeOf), ["forward", "refuse"]);
  });

  it("replaces a viewer's secret header, and adds X-Forwarded-For and Via", () => {
    const headers: Headers = [
      ["Host", "localhost"],
      [SECRET_HEADER.toUpperCase(), "forged"],
      ["Sec-WebSocket-Key", "k"],
      ["Connection", "Upgrade, X-Mine"],
      ["X-Mine", "1"],
    ];
    assert.deepEqual(headersAtOrigin(onlyDistribution(), headers), [
      ["Host", "localhost"],
      ["Sec-WebSocket-Key", "k"],
      ["User-Agent", "Amazon CloudFront"],
      ["X-Forwarded-For", "::1"],
      ["Via", "1.1 edge.example (CloudFront)"],
      ["X-Amz-Cf-Id", "request-1"],
      [SECRET_HEADER, SECRET],
    ]);
  });

  it("adds the security headers of the declared policy, and replaces a header only if the policy overrides it", () => {
    const edge = onlyDistribution({
      behavior: { responseHeadersPolicyId: "67f7725c-6f97-4210-82d7-5512b31e9d03" },
    });
    const decision = routeViewerRequest(edge, secureGet);
    assert.equal(decision.type, "forward");
    const added = applyResponseHeaders(decision.behavior.responseHeadersPolicy, [
      ["x-frame-options", "DENY"],
      ["x-content-type-options", "sniff"],
    ]);
    assert.deepEqual(added, [
      ["x-frame-options", "DENY"],
      ["Referrer-Policy", "strict-origin-when-cross-origin"],
      ["X-Content-Type-Options", "nosniff"],
      ["X-XSS-Protection", "1; mode=block"],
    ]);
  });

  it("forwards no header of the viewer without an origin request policy", () => {
    const edge = onlyDistribution({ behavior: { originRequestPolicyId: undefined } });
    assert.deepEqual(
      headersAtOrigin(edge, [["Sec-WebSocket-Key", "k"]]).map(([name]) => name),
      ["Host", "User-Agent", "X-Forwarded-For", "Via", "X-Amz-Cf-Id", SECRET_HEADER],
    );
  });
});
