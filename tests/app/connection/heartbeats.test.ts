import assert from "node:assert/strict";

import { Heartbeats } from "../../../app/src/connection/heartbeats.ts";
import { afterwards, tearDown } from "../support/teardown.ts";
import { waitUntil } from "../../support/waitUntil.ts";

const INTERVAL_MS = 80;

describe("heartbeats", () => {
  afterEach(tearDown);

  function start(): Heartbeats {
    const heartbeats = new Heartbeats(INTERVAL_MS);
    afterwards(() => {
      heartbeats.stop();
    });
    return heartbeats;
  }

  it("beats each member once in each interval", async () => {
    const heartbeats = start();
    const beats = Array.from({ length: 40 }, (): number[] => []);
    for (const times of beats) heartbeats.add({ beat: () => times.push(performance.now()) });
    await waitUntil(() => beats.every((times) => times.length >= 4));
    for (const times of beats) {
      const [first = NaN, , , fourth = NaN] = times;
      const interval = (fourth - first) / 3;
      // A busy machine may make it longer.
      assert.ok(interval > 0.9 * INTERVAL_MS && interval < 10 * INTERVAL_MS, `${interval} ms`);
    }
  });

  it("spreads its members over the interval", async () => {
    const heartbeats = start();
    const times: number[] = [];
    for (let n = 0; n < 160; n++) heartbeats.add({ beat: () => times.push(performance.now()) });
    const turns = (): number[] => times.filter((time, n) => n === 0 || time - (times[n - 1] ?? 0) > 1);
    await waitUntil(() => times.length >= 160);
    assert.ok(turns().length >= 8, `${turns().length} turns`);
  });

  it("does not beat a member that has left, even in the same turn", async () => {
    const heartbeats = start();
    const gone: string[] = [];
    let others = 0;
    const members = Array.from({ length: 32 }, (_, n) => ({ beat: () => gone.push(String(n)) }));
    const groups = members.map((member) => heartbeats.add(member));
    members.forEach((member, n) => {
      heartbeats.remove(member, groups[n] ?? NaN);
    });
    const leaving = {
      beat: () => {
        gone.push("leaving");
        heartbeats.remove(leaving, group);
      },
    };
    const group = heartbeats.add(leaving);
    for (let n = 0; n < 16; n++) heartbeats.add({ beat: () => (others += 1) });
    await waitUntil(() => others >= 48);
    assert.deepEqual(gone, ["leaving"]);
  });

  it("beats no member after it is stopped", async () => {
    const heartbeats = start();
    let beats = 0;
    heartbeats.add({ beat: () => (beats += 1) });
    heartbeats.stop();
    heartbeats.stop();
    const other = start();
    let otherBeats = 0;
    other.add({ beat: () => (otherBeats += 1) });
    await waitUntil(() => otherBeats === 2);
    assert.equal(beats, 0);
  });
});
