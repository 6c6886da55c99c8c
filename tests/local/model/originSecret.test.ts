import assert from "node:assert/strict";
import { readDistributions } from "../../../local/model/edge/distribution.ts";
import { rotateOriginSecret } from "../../../local/model/edge/originSecret.ts";
import { chooseAction } from "../../../local/model/loadBalancer/listener.ts";
import { readLoadBalancers } from "../../../local/model/loadBalancer/loadBalancer.ts";
import { rule, SECRET, SECRET_HEADER, wholePath } from "../support/graph.ts";

const FORWARD = { type: "forward", targetGroupArn: "arn:group" };

function declared(rules = wholePath().resources.filter(({ name }) => name.startsWith("rule-"))) {
  const graph = wholePath({ rules });
  const [edge] = readDistributions(graph);
  assert.ok(edge);
  return { edge, loadBalancers: readLoadBalancers(graph) };
}

describe("a rotation of the origin secret", () => {
  it("changes only the value that the edge sends, and the rules that require it", () => {
    const before = declared();
    const rotated = rotateOriginSecret(before.edge, before.loadBalancers, "next");
    assert.ok(rotated);
    const withoutValues = (value: unknown): string =>
      JSON.stringify(value).replaceAll(/"next",?|"s3cretValue"/g, "");
    assert.deepEqual(
      rotated.edge.origins.map(({ customHeaders }) => customHeaders),
      [[[SECRET_HEADER, "next"]]],
    );
    assert.equal(withoutValues(rotated.edge), withoutValues(before.edge));
    assert.equal(withoutValues(rotated.loadBalancers), withoutValues(before.loadBalancers));
  });

  it("accepts the next value and that which the edge sends now, and none before", () => {
    let current = declared();
    const accepts = (value: string): boolean => {
      const listener = current.loadBalancers[0]?.listeners[0];
      assert.ok(listener);
      const headers = [[SECRET_HEADER.toLowerCase(), value]] as const;
      return (
        chooseAction(listener, { method: "GET", target: "/", headers, peerAddress: "127.0.0.1" }).type ===
        "forward"
      );
    };
    const sent = [SECRET];
    for (const next of ["second", "third", "fourth"]) {
      const rotated = rotateOriginSecret(current.edge, current.loadBalancers, next);
      assert.ok(rotated);
      current = rotated;
      sent.push(next);
      assert.deepEqual(sent.filter(accepts), sent.slice(-2));
    }
  });

  it("is impossible if no rule requires a header of the edge", () => {
    for (const conditions of [
      [{ httpHeader: { httpHeaderName: "X-Other", values: [SECRET] } }],
      [{ httpHeader: { httpHeaderName: SECRET_HEADER, values: ["another"] } }],
      [{ pathPattern: { values: [SECRET] } }],
    ]) {
      const { edge, loadBalancers } = declared([rule(1, conditions, FORWARD)]);
      assert.equal(rotateOriginSecret(edge, loadBalancers, "next"), undefined);
    }
  });
});
