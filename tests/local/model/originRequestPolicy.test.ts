import assert from "node:assert/strict";
import fc from "fast-check";
import type { Headers } from "../../../local/model/headers.ts";
import { readDistributions } from "../../../local/model/edge/distribution.ts";
import {
  type DeclaredOriginRequestPolicy,
  selectHeaders,
  selectQuery,
} from "../../../local/model/edge/originRequestPolicy.ts";
import { apiGatewayResources } from "../support/edges.ts";
import { graphOf, wholePath } from "../support/graph.ts";

const ALL = { which: "all" } as const;
const NONE = { which: "none" } as const;
const EVERYTHING: DeclaredOriginRequestPolicy = { headers: ALL, cookies: ALL, queryStrings: ALL };

const HEADERS: Headers = [
  ["Host", "ws.example.com"],
  ["sec-websocket-key", "k"],
  ["Cookie", "a=1; b=2"],
  ["Content-Length", "3"],
];

function namesPassed(policy: Partial<DeclaredOriginRequestPolicy>): readonly string[] {
  return selectHeaders({ ...EVERYTHING, ...policy }, HEADERS).map(([name]) => name);
}

describe("origin request policies", () => {
  it("select headers by name in any case, and always those that describe the body", () => {
    const named = { names: ["Sec-WebSocket-Key", "X-Absent"] };
    assert.deepEqual(namesPassed({ headers: NONE }), ["Content-Length", "Cookie"]);
    assert.deepEqual(namesPassed({ headers: { which: "only", ...named } }), [
      "sec-websocket-key",
      "Content-Length",
      "Cookie",
    ]);
    assert.deepEqual(namesPassed({ headers: { which: "all-but", ...named } }), [
      "Host",
      "Content-Length",
      "Cookie",
    ]);
  });

  it("select cookies by name", () => {
    const cookiesOf = (cookies: DeclaredOriginRequestPolicy["cookies"]) =>
      selectHeaders({ ...EVERYTHING, headers: NONE, cookies }, HEADERS).find(
        ([name]) => name === "Cookie",
      )?.[1];
    assert.equal(cookiesOf(ALL), "a=1; b=2");
    assert.equal(cookiesOf({ which: "only", names: ["b"] }), "b=2");
    assert.equal(cookiesOf({ which: "all-but", names: ["b", "A"] }), "a=1");
    assert.equal(cookiesOf(NONE), undefined);
  });

  it("select query parameters by name, in their order and encoding", () => {
    const pair = fc.tuple(fc.constantFrom("a", "b", "A", "c%20d"), fc.constantFrom("", "=", "=1", "=%3D"));
    fc.assert(
      fc.property(fc.array(pair), fc.subarray(["a", "b", "c%20d"]), (pairs, names) => {
        const target = (some: typeof pairs): string =>
          some.length === 0 ? "/x" : `/x?${some.map((parts) => parts.join("")).join("&")}`;
        const chosen = (which: "only" | "all-but") =>
          selectQuery({ ...EVERYTHING, queryStrings: { which, names } }, target(pairs));
        assert.equal(chosen("only"), target(pairs.filter(([name]) => names.includes(name))));
        assert.equal(chosen("all-but"), target(pairs.filter(([name]) => !names.includes(name))));
      }),
    );
    assert.equal(selectQuery({ ...EVERYTHING, queryStrings: NONE }, "/x?a=1"), "/x");
    assert.equal(selectQuery(EVERYTHING, "/x?"), "/x?");
  });

  it("are refused if they are not declared, or have an unsupported selection", () => {
    const originRequestPolicyId = "33f36d7e-f396-46d9-90e0-52428a34d9dc";
    assert.throws(
      () => readDistributions(wholePath({ behavior: { originRequestPolicyId } })),
      /"edge" defaultCacheBehavior: originRequestPolicyId is unsupported/,
    );
    const graph = graphOf(apiGatewayResources({ queryStringBehavior: "some" }));
    assert.throws(
      () => readDistributions(graph),
      /"handshake" queryStringsConfig: queryStringBehavior: got a string; expected one of none, whitelist/,
    );
  });
});
