import assert from "node:assert/strict";
import type { Call } from "./support/cloud.ts";
import { Traffic } from "./support/traffic.ts";
import { DISTRIBUTION, LISTENER_RULE } from "./support/types.ts";

const rule = (method: Call["method"], header: string, ...values: string[]): Call => ({
  method,
  type: LISTENER_RULE,
  name: "rule",
  inputs: { conditions: [{ httpHeader: { httpHeaderName: header, values } }] },
});
const distribution = (method: Call["method"], name: string, value: string): Call => ({
  method,
  type: DISTRIBUTION,
  name: "edge",
  inputs: { origins: [{ customHeaders: [{ name, value }] }] },
});

describe("the watch over traffic", () => {
  const before = [rule("create", "X-A", "one"), distribution("create", "X-A", "one")];

  it("is content while the rule accepts what is sent, before and after", () => {
    new Traffic().follow([
      ...before,
      rule("update", "x-a", "two", "one"),
      distribution("update", "X-A", "two"),
      rule("update", "X-A", "three", "two"),
    ]);
  });

  for (const [what, calls] of [
    ["the rule forgets the old value before the distribution does", [rule("update", "X-A", "two")]],
    ["the rule asks for another header while the old one is sent", [rule("update", "X-B", "one")]],
    ["the distribution sends what no rule accepts yet", [distribution("update", "X-A", "two")]],
    ["the rule goes", [rule("delete", "X-A")]],
  ] as const) {
    it(`sees when ${what}`, () => {
      assert.throws(() => {
        new Traffic().follow([...before, ...calls]);
      }, /a request is refused/);
    });
  }
});
