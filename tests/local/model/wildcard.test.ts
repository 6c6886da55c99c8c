import assert from "node:assert/strict";
import fc from "fast-check";
import { matchesWildcard } from "../../../local/model/wildcard.ts";

describe("wildcard patterns", () => {
  it("match like the equivalent regular expression", () => {
    const pattern = fc.string({ unit: fc.constantFrom("a", "b", "*", "?"), maxLength: 8 });
    const text = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 10 });
    fc.assert(
      fc.property(pattern, text, (p, t) => {
        const reference = new RegExp(`^${p.replaceAll("*", ".*").replaceAll("?", ".")}$`);
        assert.equal(matchesWildcard(p, t), reference.test(t));
      }),
    );
  });

  it("with many stars do not take exponential time", () => {
    assert.equal(matchesWildcard("*a".repeat(60) + "b", "a".repeat(100_000)), false);
  });
});
