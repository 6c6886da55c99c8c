import assert from "node:assert/strict";
import fc from "fast-check";
import { type AccessRequest, refusalOf, type Route } from "../../../local/dashboard/access.ts";

const OWN = { port: 8090, token: "the-token" };
const ROUTE: Route = { methods: ["POST"], needsToken: true };
const REQUEST: AccessRequest = {
  method: "POST",
  host: "localhost:8090",
  origin: "http://localhost:8090",
  fetchSite: "same-origin",
  authorization: "Bearer the-token",
  hasBody: false,
};

function statusOf(changes: Partial<AccessRequest>, route: Route | undefined = ROUTE): number | undefined {
  return refusalOf({ ...REQUEST, ...changes }, route, OWN)?.status;
}

describe("access to the dashboard", () => {
  it("is allowed from its own page, and from clients that are no browsers", () => {
    for (const changes of [
      {},
      { origin: undefined },
      { origin: undefined, fetchSite: undefined },
      { host: "127.0.0.1:8090", origin: "http://127.0.0.1:8090" },
      { host: "[::1]:8090", origin: "http://[::1]:8090" },
    ]) {
      assert.equal(statusOf(changes), undefined, JSON.stringify(changes));
    }
  });

  const refused: readonly (readonly [name: string, Partial<AccessRequest>, status: number])[] = [
    ["a name that an attacker resolves to this machine", { host: "attacker.example:8090" }, 421],
    ["a name that begins with that of this machine", { host: "localhost.attacker.example:8090" }, 421],
    ["a request without Host", { host: undefined }, 421],
    ["another port in Host", { host: "localhost:8443" }, 421],
    ["a page of another site", { origin: "https://attacker.example" }, 403],
    ["a page of another port of this machine", { origin: "http://localhost:3000" }, 403],
    ["a page without an origin", { origin: "null" }, 403],
    ["a page with TLS on the same port", { origin: "https://localhost:8090" }, 403],
    ["a request of another site without Origin", { origin: undefined, fetchSite: "cross-site" }, 403],
    ["a request of another port without Origin", { origin: undefined, fetchSite: "same-site" }, 403],
    ["another method", { method: "GET" }, 405],
    ["no token", { authorization: undefined }, 401],
    ["another token", { authorization: "Bearer the-tokem" }, 401],
    ["a part of the token", { authorization: "Bearer the-toke" }, 401],
    ["another scheme", { authorization: "Basic the-token" }, 401],
    ["a body", { hasBody: true }, 413],
  ];
  for (const [name, changes, status] of refused) {
    it(`is refused with ${status}: ${name}`, () => {
      assert.equal(statusOf(changes), status);
    });
  }

  it("is refused with 404 for an unknown path, but only to requests that could come from its page", () => {
    assert.equal(refusalOf(REQUEST, undefined, OWN)?.status, 404);
    assert.equal(refusalOf({ ...REQUEST, origin: "https://attacker.example" }, undefined, OWN)?.status, 403);
  });

  it("needs no token for the files of the page", () => {
    assert.equal(statusOf({ authorization: undefined }, { ...ROUTE, needsToken: false }), undefined);
  });

  it("is refused with every other token", () => {
    fc.assert(
      fc.property(fc.string(), (token) => {
        fc.pre(token !== OWN.token);
        assert.equal(statusOf({ authorization: `Bearer ${token}` }), 401);
      }),
    );
  });
});
