import assert from "node:assert/strict";
import { TokenBucket } from "../../../app/src/auth/tokenBucket.ts";

describe("the token bucket", () => {
  it("grants the burst at once, then the rate, and at most the burst", () => {
    let now = 0;
    const bucket = new TokenBucket(10, 3, now);
    const takeAll = (): number => {
      let taken = 0;
      while (bucket.take(1, now)) taken++;
      return taken;
    };
    assert.equal(takeAll(), 3);
    now += 99;
    assert.equal(takeAll(), 0);
    now += 1;
    assert.equal(takeAll(), 1);
    now += 250;
    assert.equal(takeAll(), 2);
    now += 3_600_000;
    assert.equal(takeAll(), 3);
  });

  it("grants more than the burst once after a credited time", () => {
    const bucket = new TokenBucket(10, 3, 0);
    bucket.fill(1000);
    assert.ok(bucket.take(13, 1000));
    assert.ok(!bucket.take(1, 1000));
    assert.ok(!bucket.take(4, 1_000_000));
    assert.ok(bucket.take(3, 1_000_000));
  });

  it("grants several tokens at once, or none of them", () => {
    const bucket = new TokenBucket(10, 3, 0);
    assert.ok(bucket.take(2, 0));
    assert.ok(!bucket.take(2, 0));
    assert.ok(bucket.take(1, 0));
    assert.ok(bucket.take(0, 0));
  });

  it("can owe at most one burst", () => {
    const bucket = new TokenBucket(10, 3, 0);
    bucket.spend(5, 0);
    assert.ok(!bucket.take(0, 100));
    assert.ok(bucket.take(1, 300));
    bucket.spend(1_000_000, 300);
    assert.ok(!bucket.take(1, 690));
    assert.ok(bucket.take(1, 700));
  });
});
