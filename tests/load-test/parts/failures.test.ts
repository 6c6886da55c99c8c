import assert from "node:assert/strict";

import { Failure, FailureTally, toFailure } from "../../../load-test/parts/failures.ts";

describe("the failures of the load test", () => {
  it("have a reason for Node's error codes", () => {
    const reasons = {
      ENOTFOUND: "dns",
      EAI_AGAIN: "dns",
      ECONNREFUSED: "refused",
      EHOSTUNREACH: "unreachable",
      ECONNRESET: "reset",
      ETIMEDOUT: "timeout",
      EMFILE: "client",
      EPROTO: "tls",
      CERT_HAS_EXPIRED: "tls",
      ERR_TLS_CERT_ALTNAME_INVALID: "tls",
      SELF_SIGNED_CERT_IN_CHAIN: "tls",
      UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "tls",
      UNABLE_TO_VERIFY_LEAF_SIGNATURE: "tls",
      WS_ERR_INVALID_UTF8: "other",
    };
    for (const [code, reason] of Object.entries(reasons)) {
      const { reason: found, detail } = toFailure(Object.assign(new Error("failed"), { code }));
      assert.deepEqual([found, detail], [reason, code]);
    }
    assert.equal(toFailure(new Error("strange")).detail, "strange");
  });

  it("are counted by reason and detail, most frequent first", () => {
    const tally = new FailureTally();
    tally.add(new Failure("http", "403"));
    tally.add(new Failure("http", "503"));
    tally.add(new Failure("http", "503"));
    assert.equal(tally.total, 3);
    assert.deepEqual(tally.list(), [
      { reason: "http", detail: "503", count: 2 },
      { reason: "http", detail: "403", count: 1 },
    ]);
  });
});
