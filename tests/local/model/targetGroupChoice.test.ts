import assert from "node:assert/strict";
import fc from "fast-check";
import type { Headers } from "../../../local/model/headers.ts";
import { readAction } from "../../../local/model/loadBalancer/action.ts";
import { chooseTargetGroup } from "../../../local/model/loadBalancer/targetGroupChoice.ts";
import { FieldReader } from "../../../local/model/fieldReader.ts";

const NOW = Date.UTC(2026, 0, 1);

function forwardTo(weights: readonly number[], duration?: number) {
  const forward = {
    targetGroups: weights.map((weight, index) => ({ arn: `arn:${index}`, weight })),
    ...(duration !== undefined && { stickiness: { enabled: true, duration } }),
  };
  const action = readAction(new FieldReader("rule", { actions: [{ type: "forward", forward }] }), "actions");
  assert.equal(action.type, "forward");
  return action;
}

describe("the choice of a target group", () => {
  it("is by weight: each group has its share of the requests, and one of weight 0 has none", () => {
    const weights = fc.array(fc.integer({ min: 0, max: 999 }), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(weights, (shares) => {
        const total = shares.reduce((sum, weight) => sum + weight, 0);
        const counts = shares.map(() => 0);
        for (let n = 0; n < total; n++) {
          const chosen = chooseTargetGroup(forwardTo(shares), [], (n + 0.5) / total, NOW);
          const index = Number(chosen?.arn.replace("arn:", ""));
          counts[index] = (counts[index] ?? 0) + 1;
        }
        assert.deepEqual(counts, shares);
      }),
      { numRuns: 20 },
    );
    assert.equal(chooseTargetGroup(forwardTo([0, 0]), [], 0.5, NOW), undefined);
  });

  it("is the group of the cookie while a client is sticky, whatever the weights are", () => {
    const action = forwardTo([1, 1], 60);
    const first = chooseTargetGroup(action, [], 0.9, NOW);
    assert.equal(first?.arn, "arn:1");
    const [set, setForCors] = first.responseHeaders.map(([, value]) => value);
    assert.match(set ?? "", /^AWSALBTG=[\w-]+; Expires=Thu, 01 Jan 2026 00:01:00 GMT; Path=\/$/);
    assert.match(setForCors ?? "", /^AWSALBTGCORS=.*; SameSite=None; Secure$/);
    for (const cookie of [set, setForCors]) {
      const headers: Headers = [["Cookie", `a=b; ${cookie?.split(";", 1)[0] ?? ""}`]];
      assert.equal(chooseTargetGroup(action, headers, 0, NOW)?.arn, "arn:1");
    }
    assert.equal(chooseTargetGroup(action, [["Cookie", "AWSALBTG=forged"]], 0, NOW)?.arn, "arn:0");
  });

  it("sets no cookie without stickiness", () => {
    assert.deepEqual(chooseTargetGroup(forwardTo([1]), [], 0, NOW), { arn: "arn:0", responseHeaders: [] });
  });
});
