import assert from "node:assert/strict";
import { type Datapoint, evaluateAlarm, highAlarm, lowAlarm } from "../../../../local/model/scaling/alarm.ts";
import type { AlarmState } from "../../../../local/model/scaling/status.ts";

describe("the emulated alarms", () => {
  /** X breaches, 0 does not, - is missing. */
  const stateOf = (datapoints: string): AlarmState =>
    evaluateAlarm(
      Array.from(datapoints, (point) => (point === "-" ? undefined : point === "X" ? 1 : 0)),
      3,
      (value) => value > 0,
    );

  // https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html, the columns MISSING
  it("evaluate AWS's examples of missing data as AWS does", () => {
    const cases: Readonly<Record<string, AlarmState>> = {
      "0-X-X": "ok",
      "0----": "ok",
      "-----": "insufficient-data",
      "0XX-X": "alarm",
      "----X": "insufficient-data",
      "---X-": "insufficient-data",
      "--X--": "alarm",
      "X----": "alarm",
      "---X0": "ok",
      "--X-0": "ok",
    };
    for (const [datapoints, expected] of Object.entries(cases)) {
      assert.equal(stateOf(datapoints), expected, datapoints);
    }
  });

  // https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html, the figure
  it("are in alarm while the last three data points breach", () => {
    const datapoints = "0XXXX00X0";
    const states = Array.from(datapoints, (_, at) => stateOf(datapoints.slice(0, at + 1)));
    assert.deepEqual(
      states.map((state) => state === "alarm"),
      [false, false, false, true, true, false, false, false, false],
    );
  });

  it("need 3 minutes above the target, or 15 minutes below 90 % of it", () => {
    const repeat = (value: number, minutes: number): readonly Datapoint[] =>
      new Array<number>(minutes).fill(value);
    assert.deepEqual(
      [
        highAlarm(repeat(101, 2), 100),
        highAlarm(repeat(101, 3), 100),
        highAlarm(repeat(100, 3), 100),
        lowAlarm(repeat(89, 14), 100),
        lowAlarm(repeat(89, 15), 100),
        lowAlarm(repeat(90, 15), 100),
      ],
      ["insufficient-data", "alarm", "ok", "insufficient-data", "alarm", "ok"],
    );
  });
});
